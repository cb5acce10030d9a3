use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;

use ringtrip_exchange::route::Provenance;
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{CallerId, Digits, Source};

use super::crash_test::sample;
use super::record::{EndedByRecord, Kind};
use super::*;

/// A store in its own folder, with small segments, and its events.
struct Bench {
    dir: tempfile::TempDir,
    options: StoreOptions,
    news: Arc<Mutex<Vec<StoreEvent>>>,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let news = Arc::new(Mutex::new(Vec::new()));
        let heard = news.clone();
        let mut options = StoreOptions::new(dir.path().join("data"));
        options.segment_limit = 4096;
        options.may_begin_anew = true;
        options.now = || 1_800_000_000_000_000;
        options.news = Arc::new(move |n| heard.lock().unwrap().push(n));
        Bench { dir, options, news }
    }
    fn open(&self) -> Store {
        Store::open(self.options.clone()).unwrap()
    }
    fn journal_files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.dir.path().join("data/journal")).unwrap();
        let mut files: Vec<_> = files.map(|f| f.unwrap().path()).collect();
        files.retain(|f| f.extension().is_some_and(|e| e == "journal"));
        files.sort();
        files
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// Waits for what the store's thread does by itself after a fault is gone.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..200 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what} did not happen within 10 s");
}

fn all(store: &Store) -> Vec<CdrRecord> {
    let mut found = Vec::new();
    let mut query = CdrQuery { limit: 7, ..CdrQuery::default() };
    loop {
        let page = store.cdrs(&query).unwrap();
        assert_eq!(page.damaged, 0);
        found.extend(page.records);
        query.before = page.next;
        if page.next.is_none() {
            return found;
        }
    }
}

#[test]
fn what_is_kept_is_there_after_reopening() {
    let bench = Bench::new();
    let store = bench.open();
    for call in 1..=40 {
        wait(store.put_cdr(sample(call, false))).unwrap();
        wait(store.put_cdr(sample(call, true))).unwrap();
    }
    assert_eq!(wait(store.put_config(Some(0), "ann", "first", "a = 1\n")).unwrap().version, 1);
    assert_eq!(wait(store.put_config(Some(1), "ann", "second", "a = 2\n")).unwrap().version, 2);
    let token = TokenRecord {
        id: "t1".into(),
        name: "ci".into(),
        scope: Scope::Read,
        sha256: "abc".into(),
        created_micros: 1,
        revoked: false,
    };
    wait(store.put_token(token.clone())).unwrap();
    wait(store.put_secret("admin", "hash")).unwrap();
    store.close();

    let check = |store: &Store| {
        let calls: Vec<_> = all(store).into_iter().map(|r| r.id().unwrap().0).collect();
        assert_eq!(calls, (1..=40).rev().collect::<Vec<_>>());
        assert_eq!(store.cdr(7).unwrap(), sample(7, true));
        assert_eq!(store.config(1).unwrap().text, "a = 1\n");
        assert_eq!(store.config(2).unwrap().meta.note, "second");
        assert_eq!(store.config_head(), 2);
        assert_eq!(store.token_by_hash("abc").as_ref(), Some(&token));
        assert_eq!(store.secret("admin").as_deref(), Some("hash"));
        assert_eq!(store.unfinished(), 0);
    };
    let store = bench.open();
    check(&store);
    assert_eq!(store.boot(), 2);
    store.close();
    // Without its index, too: it is built again from the journal.
    fs::remove_dir_all(bench.options.dir.join("index")).unwrap();
    let store = bench.open();
    check(&store);
    store.close();
    // And with rubbish in place of it.
    let index = bench.options.dir.join("index");
    fs::remove_dir_all(&index).unwrap();
    fs::create_dir(&index).unwrap();
    fs::write(index.join("conf"), b"rubbish").unwrap();
    fs::write(index.join("db"), vec![7; 100_000]).unwrap();
    let store = bench.open();
    check(&store);
    assert!(bench.options.dir.join("index.set-aside").exists());
}

#[test]
fn pages_and_filters() {
    let bench = Bench::new();
    let store = bench.open();
    for call in 1..=20 {
        wait(store.put_cdr(sample(call, call % 4 != 0))).unwrap();
    }
    let count = |query: CdrQuery| store.cdrs(&CdrQuery { limit: 100, ..query }).unwrap().records.len();
    assert_eq!(count(CdrQuery::default()), 20);
    assert_eq!(count(CdrQuery { open: Some(true), ..CdrQuery::default() }), 5);
    assert_eq!(count(CdrQuery { cause: Some("normal".into()), ..CdrQuery::default() }), 15);
    assert_eq!(count(CdrQuery { cause: Some("busy".into()), ..CdrQuery::default() }), 0);
    assert_eq!(count(CdrQuery { party: Some("107".into()), ..CdrQuery::default() }), 1);
    assert_eq!(
        count(CdrQuery { since_micros: Some(sample(15, true).started_micros), ..CdrQuery::default() }),
        6
    );
    let page = store.cdrs(&CdrQuery { limit: 5, ..CdrQuery::default() }).unwrap();
    assert_eq!((page.records.len(), page.next), (5, Some(16)));
    assert!(matches!(store.cdr(99), Err(StoreError::Missing(_))));
}

#[test]
fn calls_that_died_with_the_process_are_closed_at_the_next_start() {
    let bench = Bench::new();
    let store = bench.open();
    wait(store.put_cdr(sample(1, false))).unwrap();
    wait(store.put_cdr(sample(2, true))).unwrap();
    store.close();
    let store = bench.open();
    let unfinished = store.cdr(1).unwrap();
    assert_eq!(store.unfinished(), 1);
    assert_eq!(
        (unfinished.cause.as_deref(), unfinished.ended_by),
        (Some("system-failure"), Some(EndedByRecord::Exchange))
    );
    assert!(unfinished.ended_after_us >= unfinished.answered_after_us);
    assert_eq!(store.cdr(2).unwrap(), sample(2, true));
    store.close();
    assert_eq!(bench.open().unfinished(), 0);
}

#[test]
fn two_at_once_change_the_configuration_and_one_is_told() {
    let bench = Bench::new();
    let store = bench.open();
    let first = store.put_config(Some(0), "ann", "", "a");
    let second = store.put_config(Some(0), "bob", "", "b");
    assert_eq!(wait(first).unwrap().version, 1);
    assert!(matches!(wait(second), Err(StoreError::Conflict { expected: 0, current: 1 })));
    assert_eq!(store.configs().len(), 1);
}

/// A call's record as the exchange hands it over.
fn kept(call: u64, ended_after: Option<u64>) -> Arc<Cdr> {
    Arc::new(Cdr {
        call: CallId(call),
        source: Source::Operator,
        caller: CallerId::default(),
        verstat: None,
        dialled: Digits::new("101"),
        sent: Digits::default(),
        target: String::new(),
        carrier: String::new(),
        attempts: Vec::new(),
        parties: Vec::new(),
        started_micros: 1_700_000_000_000_000,
        answered_after: None,
        ended_after,
        cause: None,
        ended_by: None,
        emergency: false,
        provenance: Provenance::default(),
        pin: None,
        quote: None,
        cost: None,
        recording: None,
        a: None,
        b: None,
    })
}

#[test]
fn who_asks_for_records_sees_what_was_kept_before_and_the_newest_of_each_call() {
    let bench = Bench::new();
    let store = bench.open();
    let (lives, ended) = (kept(2, None), kept(1, Some(7)));
    for cdr in [kept(1, None), lives.clone(), ended.clone()] {
        assert!(store.write_cdr(cdr));
    }
    assert_eq!(all(&store), [CdrRecord::from(&*lives), CdrRecord::from(&*ended)]);
    assert_eq!(store.cdr(1).unwrap(), CdrRecord::from(&*ended));
    let open = store.cdrs(&CdrQuery { open: Some(true), limit: 9, ..CdrQuery::default() }).unwrap();
    assert_eq!(open.records.len(), 1);
    store.close();
    // The call that lives was cut off by the end; the one that ended is left as it was.
    let store = bench.open();
    assert_eq!(store.unfinished(), 1);
    assert_eq!(store.cdr(1).unwrap(), CdrRecord::from(&*ended));
}

#[test]
fn a_full_disk_refuses_whole_and_calls_go_on() {
    const ENOSPC: i32 = 28;
    let bench = Bench::new();
    let store = bench.open();
    wait(store.put_cdr(sample(1, true))).unwrap();
    store.faults().write.store(ENOSPC, Ordering::Relaxed);
    let refused = wait(store.put_config(None, "ann", "", "x")).unwrap_err();
    assert!(matches!(refused, StoreError::Disk { full: true, .. }), "{refused:?}");
    assert!(refused.to_string().contains("disk is full"), "{refused}");
    assert_eq!(store.config_head(), 0);
    let waits = wait(store.put_cdr(sample(2, true))).unwrap_err();
    assert!(matches!(waits, StoreError::Disk { full: true, .. }));
    let third = kept(3, Some(7));
    assert!(store.write_cdr(third.clone()));
    until("both wait", || store.waiting() == 2);
    assert!(matches!(bench.news.lock().unwrap()[..], [StoreEvent::Trouble { .. }]));
    // What was kept can still be read.
    assert_eq!(store.cdr(1).unwrap(), sample(1, true));
    store.faults().write.store(0, Ordering::Relaxed);
    until("recovery", || store.waiting() == 0);
    assert_eq!(bench.news.lock().unwrap().last(), Some(&StoreEvent::Recovered { written: 2 }));
    assert_eq!(wait(store.put_config(Some(0), "ann", "", "x")).unwrap().version, 1);
    store.close();
    let store = bench.open();
    assert_eq!(all(&store), [CdrRecord::from(&*third), sample(2, true), sample(1, true)]);
    assert_eq!(store.configs().len(), 1);
}

#[test]
fn what_a_start_keeps_counts_at_once_and_waits_for_the_disk() {
    const EROFS: i32 = 30;
    let bench = Bench::new();
    let store = bench.open();
    store.faults().write.store(EROFS, Ordering::Relaxed);
    assert_eq!(wait(store.start_with("ringtrip", "first start", "one")).unwrap().version, 1);
    wait(store.start_secret("admin", "hash")).unwrap();
    assert_eq!((store.config_head(), store.config(1).unwrap().text), (1, "one".to_owned()));
    assert_eq!((store.configs().len(), store.secret("admin").as_deref()), (1, Some("hash")));
    let refused = wait(store.put_config(Some(1), "ann", "", "two")).unwrap_err();
    assert!(matches!(refused, StoreError::Disk { full: true, .. }), "{refused:?}");
    assert!(refused.to_string().contains("read-only"), "{refused}");
    assert!(store.write_cdr(kept(3, Some(7))));
    until("trouble", || store.is_write_failing() && store.waiting() == 1);
    assert!(matches!(bench.news.lock().unwrap()[..], [StoreEvent::Trouble { .. }]));
    store.faults().write.store(0, Ordering::Relaxed);
    until("recovery", || !store.is_write_failing() && store.waiting() == 0);
    assert_eq!(wait(store.put_config(Some(1), "ann", "", "two")).unwrap().version, 2);
    store.close();
    let store = bench.open();
    assert_eq!(store.configs().iter().map(|c| c.version).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((store.config(1).unwrap().text, all(&store).len()), ("one".to_owned(), 1));
    assert_eq!(store.secret("admin").as_deref(), Some("hash"));
}

#[test]
fn trouble_ends_by_itself_when_nothing_waits() {
    const ENOSPC: i32 = 28;
    let bench = Bench::new();
    let store = bench.open();
    store.faults().write.store(ENOSPC, Ordering::Relaxed);
    wait(store.put_secret("admin", "hash")).unwrap_err();
    until("trouble", || store.is_write_failing());
    store.faults().write.store(0, Ordering::Relaxed);
    until("recovery", || !store.is_write_failing());
    assert!(matches!(
        bench.news.lock().unwrap()[..],
        [StoreEvent::Trouble { .. }, StoreEvent::Recovered { written: 0 }]
    ));
}

#[test]
fn a_journal_that_is_gone_is_no_new_exchange() {
    let mut bench = Bench::new();
    bench.options.may_begin_anew = false;
    let data = bench.options.dir.clone();
    // A first start that was cut off before it kept anything is one.
    bench.open().close();
    let store = bench.open();
    wait(store.put_config(None, "ann", "", "one")).unwrap();
    store.close();
    fs::write(data.join(crate::start::LOCAL_ACCESS_FILE), "{}").unwrap();
    let begins = |bench: &Bench| match Store::open(bench.options.clone()) {
        Ok(store) => Ok(store.config_head()),
        Err(StoreError::Gone(why)) => Err(why),
        Err(other) => panic!("{other}"),
    };
    // All of it, or its content.
    let files = bench.journal_files();
    let whole = fs::read(&files[0]).unwrap();
    fs::write(&files[0], [&whole[..16], &vec![0xAA; 4000][..]].concat()).unwrap();
    let _ = fs::remove_dir_all(data.join("index"));
    assert!(begins(&bench).is_err(), "its content is gone");
    fs::remove_dir_all(data.join("journal")).unwrap();
    let why = begins(&bench).unwrap_err();
    assert!(why.contains("journal") && why.contains("backup") && why.contains("--config FILE"), "{why}");
    assert!(!data.join("journal/0000000000000002.journal").exists());
    // Naming a document is a decision.
    bench.options.may_begin_anew = true;
    assert_eq!(begins(&bench), Ok(0));
}

#[test]
fn what_a_failed_sync_refused_never_comes_back() {
    const EIO: i32 = 5;
    let bench = Bench::new();
    let store = bench.open();
    wait(store.put_config(None, "ann", "", "one")).unwrap();
    store.faults().sync.store(EIO, Ordering::Relaxed);
    assert!(matches!(
        wait(store.put_config(None, "ann", "", "refused")),
        Err(StoreError::Disk { full: false, .. })
    ));
    store.faults().sync.store(0, Ordering::Relaxed);
    assert_eq!(wait(store.put_config(None, "ann", "", "two")).unwrap().version, 2);
    let files = bench.journal_files();
    assert_eq!(files.len(), 2, "the suspect segment is left alone and a new one begun");
    store.close();
    // As if the refused record had reached the disk after all: it stands in the old segment with a number that the
    // new segment has used again.
    let mut old = fs::read(&files[0]).unwrap();
    let refused = ConfigVersion {
        meta: ConfigMeta {
            version: 9,
            at_micros: 0,
            author: "x".into(),
            note: String::new(),
            sha256: String::new(),
        },
        text: "refused".into(),
    };
    let payload = serde_json::to_vec(&refused).unwrap();
    let body = [&[1u8, Kind::Config as u8][..], &3u64.to_le_bytes(), &payload].concat();
    old.extend_from_slice(&(body.len() as u32).to_le_bytes());
    old.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    old.extend_from_slice(&body);
    fs::write(&files[0], old).unwrap();
    fs::remove_dir_all(bench.options.dir.join("index")).unwrap();
    let store = bench.open();
    assert_eq!(store.configs().iter().map(|c| c.version).collect::<Vec<_>>(), [1, 2]);
}

/// Numbers went back to the newest segment's first after a clean start, and the next segment then made sound records
/// of the one before void.
#[test]
fn numbers_go_on_after_a_clean_start() {
    let bench = Bench::new();
    for start in 0..6u64 {
        let store = bench.open();
        for n in 1..=5 {
            wait(store.put_cdr(sample(start * 5 + n, true))).unwrap();
        }
        store.close();
    }
    assert!(bench.journal_files().len() > 2);
    fs::remove_dir_all(bench.options.dir.join("index")).unwrap();
    assert_eq!(all(&bench.open()).len(), 30);
}

#[test]
fn waiting_cdrs_are_bounded_and_losses_are_told() {
    let mut bench = Bench::new();
    bench.options.spool = 2000;
    let store = bench.open();
    store.faults().write.store(28, Ordering::Relaxed);
    for call in 1..=10 {
        let _ = wait(store.put_cdr(sample(call, true)));
    }
    let lost: u64 = bench
        .news
        .lock()
        .unwrap()
        .iter()
        .map(|n| if let StoreEvent::Lost { records } = n { *records } else { 0 })
        .sum();
    assert!(lost > 0);
    store.faults().write.store(0, Ordering::Relaxed);
    until("recovery", || {
        store.waiting() == 0
            && bench.news.lock().unwrap().iter().any(|n| matches!(n, StoreEvent::Recovered { .. }))
    });
    assert_eq!(all(&store).len() as u64, 10 - lost);
}

#[test]
fn the_journal_stays_bounded_and_keeps_what_is_no_cdr() {
    let mut bench = Bench::new();
    bench.options.keep = 12_000;
    let store = bench.open();
    let token = |revoked| TokenRecord {
        id: "t".into(),
        name: "ci".into(),
        scope: Scope::Admin,
        sha256: "h".into(),
        created_micros: 1,
        revoked,
    };
    wait(store.put_token(token(false))).unwrap();
    wait(store.put_config(None, "ann", "", "kept")).unwrap();
    wait(store.put_token(token(true))).unwrap();
    for call in 1..=200 {
        wait(store.put_cdr(sample(call, true))).unwrap();
    }
    store.close();
    let octets: u64 = bench.journal_files().iter().map(|f| fs::metadata(f).unwrap().len()).sum();
    assert!(octets < 25_000, "{octets}");
    let forgotten: usize = bench
        .news
        .lock()
        .unwrap()
        .iter()
        .map(|n| if let StoreEvent::Forgotten { records } = n { *records } else { 0 })
        .sum();
    assert!(forgotten > 0, "forgotten records are reported");
    for rebuild in [false, true] {
        if rebuild {
            fs::remove_dir_all(bench.options.dir.join("index")).unwrap();
        }
        let store = bench.open();
        assert_eq!(store.config(1).unwrap().text, "kept");
        assert_eq!(store.token_by_hash("h"), None, "a revoked token stays revoked");
        let left = all(&store);
        assert!(left[0] == sample(200, true));
        assert_eq!(left.len(), 200 - forgotten);
        store.close();
    }
}

#[test]
fn damage_is_found_and_never_believed() {
    let bench = Bench::new();
    let store = bench.open();
    for call in 1..=30 {
        wait(store.put_cdr(sample(call, true))).unwrap();
    }
    store.close();
    let files = bench.journal_files();
    let sound: BTreeMap<_, _> = files.iter().map(|f| (f.clone(), fs::read(f).unwrap())).collect();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let mut found_damage = 0;
    for round in 0..40 {
        for (file, bytes) in &sound {
            fs::write(file, bytes).unwrap();
        }
        let file = &files[random(files.len())];
        let mut bytes = sound[file].clone();
        let at = random(bytes.len());
        if round % 4 == 0 {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << random(8);
        }
        fs::write(file, &bytes).unwrap();
        let _ = fs::remove_dir_all(bench.options.dir.join("index"));
        let store = match Store::open(bench.options.clone()) {
            Ok(store) => store,
            // A flipped version octet looks like a newer program only if the checksum agreed: it cannot.
            Err(e) => panic!("round {round}: {e}"),
        };
        let left = all(&store);
        for record in &left {
            assert_eq!(*record, sample(record.id().unwrap().0, true), "round {round}");
        }
        assert!(
            left.len() >= 20,
            "round {round}: one damaged place costs one record or a torn end, not {left:?}"
        );
        found_damage += usize::from(store.recovery().holes > 0 || store.recovery().torn > 0);
        store.close();
        for made in fs::read_dir(bench.options.dir.join("journal")).unwrap() {
            let made = made.unwrap().path();
            if !sound.contains_key(&made) {
                fs::remove_file(made).unwrap();
            }
        }
    }
    assert!(found_damage >= 30, "{found_damage}");
}

#[test]
fn a_store_in_use_and_a_newer_store_are_refused_in_words() {
    let bench = Bench::new();
    let store = bench.open();
    let refused = Store::open(bench.options.clone()).err().unwrap();
    assert!(refused.to_string().contains("in use by another ringtrip"), "{refused}");
    store.close();
    drop(store);
    let file = bench.journal_files().pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let body = [&[2u8, 1u8][..], &99u64.to_le_bytes(), b"{}"].concat();
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    fs::write(&file, bytes).unwrap();
    let refused = Store::open(bench.options.clone()).err().unwrap();
    assert!(refused.to_string().contains("newer Ringtrip"), "{refused}");
}

#[test]
fn registrations_come_back_until_they_run_out() {
    let bench = Bench::new();
    let store = bench.open();
    let contact = |n: u32, expires_micros| RegistrationRecord {
        ext: "101".into(),
        contact: format!("sip:101@192.0.2.{n}"),
        instance: None,
        q: 1000,
        transport: "udp".into(),
        local: "192.0.2.100:5060".into(),
        remote: format!("192.0.2.{n}:5060"),
        path: Vec::new(),
        call_id: "c".into(),
        cseq: n,
        user_agent: "test".into(),
        expires_micros,
    };
    store.save_registration(&contact(1, 2_000));
    store.save_registration(&contact(2, 1_000));
    store.save_registration(&contact(3, 2_000));
    store.forget_registration("101", "sip:101@192.0.2.3", "192.0.2.3:5060");
    store.close();
    let store = bench.open();
    assert_eq!(store.registrations(1_500), [contact(1, 2_000)]);
}
