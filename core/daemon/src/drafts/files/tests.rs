use super::*;
use crate::store::{DraftState, StoreOptions};

const HOUSE: &str = "region = \"uk\"\n";

fn draft(name: &str, parts: Parts, active: Option<Activated>) -> DraftRecord {
    DraftRecord {
        name: name.to_owned(),
        author: "test".to_owned(),
        note: String::new(),
        at_micros: 0,
        revision: 1,
        base: DraftState::default(),
        config: HOUSE.to_owned(),
        scripts: BTreeMap::new(),
        parts,
        canary: None,
        active,
        discarded: false,
    }
}

fn decks(name: &str, mark: Option<String>) -> Parts {
    Parts { decks: [(name.to_owned(), mark)].into(), ..Parts::default() }
}

#[test]
fn a_file_is_what_its_name_says() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::of(dir.path());
    let name = files.keep(b"prices").unwrap();
    assert_eq!(files.keep(b"prices").unwrap(), name, "kept once");
    assert_eq!(files.get(&name).unwrap(), b"prices");
    fs::write(dir.path().join("drafts").join(&name), "pricez").unwrap();
    assert!(files.get(&name).unwrap_err().to_string().contains("damaged"));
    assert!(files.get("nothing").unwrap_err().to_string().contains("drafts/nothing"));
}

#[test]
fn only_old_files_that_no_draft_names_go() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::of(dir.path());
    let (named, before, young, old) = (
        files.keep(b"a").unwrap(),
        files.keep(b"b").unwrap(),
        files.keep(b"c").unwrap(),
        files.keep(b"d").unwrap(),
    );
    for name in [&named, &before, &old] {
        let file = fs::File::options().write(true).open(dir.path().join("drafts").join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - 2 * YOUNG).unwrap();
    }
    let active = Activated {
        at_micros: 0,
        version: 3,
        before: DraftState { parts: decks("gw1", Some(before.clone())), ..DraftState::default() },
        undoing: false,
        undone: false,
    };
    files.tidy(&[draft("x", decks("gw1", Some(named.clone())), Some(active))]);
    let there = |name: &str| files.get(name).is_ok();
    assert_eq!([there(&named), there(&before), there(&young), there(&old)], [true, true, true, false]);
}

/// A start after an activation that got as far as the deck's file: by whether the document was kept too.
#[tokio::test]
async fn what_was_cut_short_is_whole_again() {
    // Which step was cut, how far the document had come, the deck afterwards, and what the draft is then.
    let cases = [
        (0, false, false, "old", None),
        (0, false, true, "new", Some((2, false))),
        (1, true, false, "new", Some((1, false))),
        (1, true, true, "old", Some((1, true))),
    ];
    for (version, undoing, kept, deck, state) in cases {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(StoreOptions::new(dir.path())).unwrap();
        store.put_config(None, "test", "", HOUSE).await.unwrap();
        let files = Files::of(dir.path());
        let (old, new) = (files.keep(b"old").unwrap(), files.keep(b"new").unwrap());
        // The step had put its deck in its place: the new one when it was activated, the old one when it was undone.
        fs::create_dir_all(dir.path().join("rates")).unwrap();
        fs::write(dir.path().join("rates/gw1.csv"), if undoing { "old" } else { "new" }).unwrap();
        let before = DraftState {
            version: u64::from(!undoing),
            parts: decks("gw1", Some(old)),
            ..DraftState::default()
        };
        let active = Activated { at_micros: 0, version, before, undoing, undone: false };
        store.put_draft(draft("x", decks("gw1", Some(new)), Some(active))).await.unwrap();
        if kept {
            store.put_config(None, "test", "", HOUSE).await.unwrap();
        }
        let mended = recover(&store, dir.path());
        let what = format!("{version} {undoing} {kept}");
        assert_eq!(fs::read_to_string(dir.path().join("rates/gw1.csv")).unwrap(), deck, "{what}");
        let after = mended.first().and_then(|d| d.active.as_ref()).map(|a| (a.version, a.undone));
        assert_eq!((mended.len(), after), (1, state), "{what}");
        assert!(mended.iter().all(|d| d.active.as_ref().is_none_or(|a| !a.undoing)));
        store.close();
    }
}
