use ringtrip_exchange::route::{
    Attempt, Extras, Prepared, Provenance, RoutePlan, Stage, StepKind, Target, Verdict,
};
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{CallerId, Cause, Digits, Source};

use super::*;
use crate::store::StoreOptions;

const CONFIG: &str = r#"
region = "uk"
[plans]
home = "(xx.)"
[extension.201]
password = "made-up"
[gateway.gw1]
server = "192.0.2.1"
user = "u"
register = false
[gateway.gw2]
server = "192.0.2.2"
user = "u"
register = false
decks = ["night", "gw2"]
max_calls = 1
[[bundle]]
name = "home"
gateway = "gw1"
prefixes = ["441480"]
minutes = 2
[money]
least = "60s"
[[money.limit]]
name = "kids"
extension = "201"
per = "day"
amount = "0.50"
"#;

struct Site {
    money: Rating,
    store: Store,
    dir: tempfile::TempDir,
    config: Arc<Config>,
}

impl Site {
    fn new() -> Site {
        Site::within(tempfile::tempdir().unwrap())
    }

    fn within(dir: tempfile::TempDir) -> Site {
        let (config, _) = crate::config::read(CONFIG).unwrap();
        let config = Arc::new(config);
        let store = Store::open(StoreOptions::new(dir.path())).unwrap();
        let money = Rating::open(config.clone(), dir.path(), &store, Box::new(|event| panic!("{event:?}")));
        Site { money, store, dir, config }
    }

    fn again(self) -> Site {
        self.money.persist(true);
        self.store.close();
        Site::within(self.dir)
    }

    fn import(&self, gateway: &str, name: Option<&str>, csv: &str) -> Result<ImportView, ImportError> {
        let name = name.map(str::to_owned);
        let ask = ImportAsk { gateway: gateway.to_owned(), name, confirm: true, ..ImportAsk::default() };
        self.money.import(csv.as_bytes(), &ask)
    }

    fn order(&self, number: &str) -> Vec<String> {
        let ask = RankQuery { number, at: &crate::exchange::wall::now(), among: &[], budget: None };
        self.money.rank(&ask).offers.into_iter().map(|o| o.gateway.to_string()).collect()
    }

    /// A plan that tries these gateways one after the other, with their prices.
    fn plan(&self, number: &str, gateways: &[&str]) -> RoutePlan {
        let stage = |name: &&str| {
            let id: GatewayId = name.parse().unwrap();
            let e164 = self.config.numbering.e164(&Digits::new(number)).unwrap();
            let quote = self.money.quote(&id, e164.trim_start_matches('+'), &crate::exchange::wall::now());
            let attempt = Attempt::new(Target::Gateway(id), Digits::new(number), CallerId::default());
            Stage { targets: vec![Attempt { quote, ..attempt }], timeout: std::time::Duration::from_secs(9) }
        };
        let verdict = Verdict::Stages(gateways.iter().map(stage).collect());
        RoutePlan { verdict, provenance: Provenance::default(), extras: Extras::default() }
    }

    fn targets(&self, call: u64, plan: &mut RoutePlan) -> Vec<String> {
        self.money.routed(CallId(call), &Source::Extension("201".parse().unwrap()), plan);
        match &plan.verdict {
            Verdict::Stages(stages) => {
                stages.iter().flat_map(|s| &s.targets).map(|a| a.target.word()).collect()
            }
            other => vec![format!("{other:?}")],
        }
    }
}

impl Site {
    fn gone(&self, call: CallId) {
        self.money.on(RatingInput::Gone { call });
    }

    fn failed(&self, call: CallId, attempt: u8) {
        self.money.on(RatingInput::Failed { call, attempt });
    }
}

const CHEAP: &str = "prefix,destination,rate\n44,UK,0.01\n33,France,0.02\n";
const DEAR: &str = "prefix,destination,rate\n44,UK,0.40\n33,France,0.01\n";

#[test]
fn a_deck_is_in_force_at_once_and_after_a_restart() {
    let site = Site::new();
    assert_eq!(site.order("442079460000"), [""; 0]);
    let view = site.import("gw1", None, CHEAP).unwrap();
    assert_eq!((view.deck.as_str(), view.new.count, view.applied, view.note), ("gw1", 2, true, None));
    site.import("gw2", Some("gw2"), DEAR).unwrap();
    assert_eq!(site.order("442079460000"), ["gw1", "gw2"]);
    assert_eq!(site.order("33123456789"), ["gw2", "gw1"]);
    let quote = site.money.quote(&"gw1".parse().unwrap(), "442079460000", &crate::exchange::wall::now());
    let quote = quote.unwrap();
    assert_eq!((quote.prefix.as_str(), quote.per_minute, quote.estimate), ("44", 10_000, 30_000));
    let text = site.money.export_deck("gw1").unwrap();
    let site = site.again();
    assert_eq!(site.order("33123456789"), ["gw2", "gw1"]);
    assert_eq!(site.money.export_deck("gw1").unwrap(), text);
    assert!(site.money.remove_deck("gw2").unwrap() && !site.money.remove_deck("gw2").unwrap());
    assert_eq!(site.order("33123456789"), ["gw1"]);
    let site = site.again();
    assert_eq!(site.order("33123456789"), ["gw1"]);
}

#[test]
fn a_file_with_bad_rows_changes_nothing_unless_they_are_skipped() {
    let site = Site::new();
    site.import("gw1", None, CHEAP).unwrap();
    let before = site.money.export_deck("gw1");
    let bad = "prefix,destination,rate\n44,UK,0.02\n4x,UK mobile,0.02\n33,France,free\n";
    match site.import("gw1", None, bad) {
        Err(ImportError::Rows { count: 2, some }) => {
            assert_eq!((some[0].line, some[0].column, some[1].line), (3, 1, 4));
            assert!(some.iter().all(|e| !e.hint.is_empty()));
        }
        other => panic!("{other:?}"),
    }
    let refused = |gateway: &str, name: Option<&str>, csv: &str| site.import(gateway, name, csv).unwrap_err();
    assert!(matches!(refused("gw7", None, CHEAP), ImportError::NoGateway(_)));
    assert!(matches!(refused("gw1", Some("../gw1"), CHEAP), ImportError::Bad(_)));
    assert!(matches!(refused("gw1", None, "hello\n"), ImportError::Unreadable(_)));
    assert_eq!(site.money.export_deck("gw1"), before);
    // A look changes nothing either.
    let look = ImportAsk { gateway: "gw1".to_owned(), skip_bad: true, ..ImportAsk::default() };
    let view = site.money.import(bad.as_bytes(), &look).unwrap();
    assert_eq!((view.applied, view.errors.count, view.changed.count), (false, 2, 1));
    assert_eq!(site.money.export_deck("gw1"), before);
    site.money.import(bad.as_bytes(), &ImportAsk { confirm: true, ..look }).unwrap();
    assert_ne!(site.money.export_deck("gw1"), before);
}

#[test]
fn what_a_limit_cannot_pay_is_taken_out_of_the_plan() {
    let site = Site::new();
    site.import("gw1", None, CHEAP).unwrap();
    site.import("gw2", Some("gw2"), DEAR).unwrap();
    // A minute of the dear one fits once.
    let mut plan = site.plan("02079460000", &["gw2", "gw1"]);
    assert_eq!(site.targets(1, &mut plan), ["gw2", "gw1"]);
    assert!(site.money.may_try(CallId(1), 0).0.is_ok());
    assert_eq!(site.money.spending().limits[0].spent, "0.40");
    let mut second = site.plan("02079460000", &["gw2", "gw1"]);
    assert_eq!(site.targets(2, &mut second), ["gw1"]);
    assert!(second.provenance.steps.iter().any(|s| s.kind == StepKind::Money && s.subject == "gw2"));
    let mut third = site.plan("02079460000", &["gw2"]);
    site.targets(3, &mut third);
    assert_eq!(third.verdict, Verdict::Refuse(Cause::Spent));
    assert_eq!(third.extras.say.as_deref(), Some("too-expensive"));
    assert!(third.provenance.because.contains("limit kids of extension 201"), "{}", third.provenance.because);
    // The dear gateway fails: what it had set aside is free again, and the next one is tried.
    assert!(site.money.may_try(CallId(1), 1).0.is_ok());
    assert_eq!(site.money.spending().limits[0].spent, "0.01");
    site.gone(CallId(1));
    assert_eq!(site.money.spending().limits[0].spent, "0.00");
}

#[test]
fn what_was_set_aside_outlives_the_exchange() {
    let site = Site::new();
    site.import("gw2", Some("gw2"), DEAR).unwrap();
    let mut plan = site.plan("02079460000", &["gw2"]);
    site.targets(1, &mut plan);
    assert!(site.money.may_try(CallId(1), 0).0.is_ok());
    let site = site.again();
    assert_eq!(site.money.spending().limits[0].spent, "0.40");
}

#[test]
fn a_gateway_that_fails_or_is_full_or_down_is_not_the_first() {
    let site = Site::new();
    site.import("gw1", None, DEAR).unwrap();
    site.import("gw2", Some("gw2"), CHEAP).unwrap();
    let number = "442079460000";
    assert_eq!(site.order(number), ["gw2", "gw1"]);
    for call in 1..=2 {
        let mut plan = site.plan("02079460000", &["gw2", "gw1"]);
        site.targets(call, &mut plan);
        site.money.may_try(CallId(call), 0).0.unwrap();
        // It carries one call at most.
        assert_eq!(site.order(number), ["gw1"]);
        site.money.may_try(CallId(call), 1).0.unwrap();
        site.gone(CallId(call));
    }
    assert_eq!(site.order(number), ["gw1", "gw2"], "it failed twice");
    let gateway_is = |down: Option<&str>| {
        let (gateway, down) = ("gw1".parse().unwrap(), down.map(str::to_owned));
        assert!(site.money.on(RatingInput::Gateway { gateway, down }).is_empty());
    };
    gateway_is(Some("no answer"));
    assert_eq!(site.order(number), ["gw2"]);
    gateway_is(None);
    assert_eq!(site.order(number), ["gw1", "gw2"]);
    let compared = site.money.compare("02079460000", &crate::exchange::wall::now(), Some(60)).unwrap();
    let of = |g: &str| compared.offers.iter().find(|o| o.gateway == g).unwrap();
    assert_eq!((of("gw1").cost.as_str(), of("gw2").cost.as_str()), ("0.40", "0.01"));
    assert!(of("gw2").answered < of("gw1").answered);
}

#[test]
fn the_seconds_of_a_bundle_are_promised_once() {
    let site = Site::new();
    site.import("gw1", None, CHEAP).unwrap();
    let free = |plan: &RoutePlan| match &plan.verdict {
        Verdict::Stages(stages) => stages[0].targets[0].quote.as_ref().unwrap().price.free,
        _ => panic!("{plan:?}"),
    };
    let mut plan = site.plan("01480123456", &["gw1"]);
    site.targets(1, &mut plan);
    assert_eq!(free(&plan), 120);
    let mut second = site.plan("01480123456", &["gw1"]);
    site.targets(2, &mut second);
    assert_eq!(free(&second), 0);
    site.gone(CallId(1));
    let mut third = site.plan("01480123456", &["gw1"]);
    site.targets(3, &mut third);
    assert_eq!(free(&third), 120);
}

#[test]
fn a_moment_keeps_its_zone() {
    // 2026-07-01 23:30 UTC in London.
    let wall = WallTime {
        unix_micros: 1_782_948_600_000_000,
        year: 2026,
        month: 7,
        day: 2,
        hour: 0,
        minute: 30,
        weekday: 4,
    };
    assert_eq!(at(&wall), At { unix: 1_782_948_600, offset: 3600 });
    assert_eq!(at(&WallTime { unix_micros: 5_000_000, ..WallTime::default() }).offset, 0);
}

#[test]
fn a_gateway_that_is_full_gets_no_other_call_whoever_names_it() {
    let site = Site::new();
    let begin = |call: u64| {
        let mut plan = site.plan("02079460000", &["gw2"]);
        assert_eq!(site.targets(call, &mut plan), ["gw2"]);
        site.money.may_try(CallId(call), 0).0
    };
    // It has no price: it counts all the same.
    assert_eq!(begin(1), Ok(()));
    let (cause, step) = begin(2).unwrap_err();
    assert_eq!((cause, step.kind, step.subject.as_str()), (Cause::Congestion, StepKind::Rejected, "gw2"));
    assert_eq!(step.said, "1 of its 1 calls are in use");
    // Who asks what would happen now is told.
    let mut plan = site.plan("02079460000", &["gw2"]);
    site.money.dry_run(&site.config, &Source::Extension("201".parse().unwrap()), &mut plan);
    let said = &plan.provenance.steps.last().unwrap().said;
    assert_eq!(said, "1 of its 1 calls are in use: it is skipped while that is so");
    // What was refused holds nothing.
    site.gone(CallId(2));
    assert!(begin(3).is_err());
    site.gone(CallId(1));
    assert_eq!(begin(4), Ok(()));
    // An emergency call has no attempts here: nothing of it is counted or asked.
    assert_eq!(site.money.may_try(CallId(5), 0).0, Ok(()));
    site.gone(CallId(4));
    // A plugin's gateway that is carried by another takes a place there.
    let mut plan = site.plan("02079460000", &["gw2"]);
    if let Verdict::Stages(stages) = &mut plan.verdict {
        let prepared = Prepared { gateway: Some("gw1".parse().unwrap()), ..Prepared::default() };
        stages[0].targets[0].prepared = Some(Arc::new(prepared));
    }
    site.targets(6, &mut plan);
    assert_eq!(site.money.may_try(CallId(6), 0).0, Ok(()));
    assert!(begin(7).is_err());
    site.gone(CallId(6));
    assert_eq!(begin(8), Ok(()));
}

#[test]
fn an_attempt_that_failed_holds_no_place_while_others_ring() {
    let site = Site::new();
    site.import("gw2", Some("gw2"), DEAR).unwrap();
    let mut plan = site.plan("02079460000", &["gw2"]);
    if let Verdict::Stages(stages) = &mut plan.verdict {
        let again = Attempt { number: Digits::new("02079460001"), ..stages[0].targets[0].clone() };
        stages[0].targets.push(again);
    }
    site.targets(1, &mut plan);
    let spent = || site.money.spending().limits[0].spent.clone();
    assert_eq!(site.money.may_try(CallId(1), 0).0, Ok(()));
    assert_eq!(spent(), "0.40");
    // The second is refused, and its failure is not that of the first.
    assert!(site.money.may_try(CallId(1), 1).0.is_err());
    site.failed(CallId(1), 1);
    assert_eq!((site.order("442079460000"), spent().as_str()), (vec![], "0.40"));
    site.failed(CallId(1), 0);
    assert_eq!((site.order("442079460000"), spent().as_str()), (vec!["gw2".to_owned()], "0.00"));
    site.failed(CallId(1), 0);
    site.gone(CallId(1));
    assert_eq!(site.order("442079460000"), ["gw2"]);
}

#[test]
fn a_preview_says_how_the_file_was_read() {
    let site = Site::new();
    let ask = ImportAsk { gateway: "gw1".to_owned(), ..ImportAsk::default() };
    let read = |csv: &str| site.money.import(csv.as_bytes(), &ask).unwrap();
    let view =
        read("Code,Name,First,Next,Peak,Off-Peak,Effective Date\n44,UK,60,1,0.02,0.0112345678,01/31/2026\n");
    assert_eq!(
        view.dialect,
        "prefix, destination, first step, next step, peak price, off-peak price, from; parted by ',', decimal sign \
         '.', 03/04 is the 4th of March, peak is Mon-Fri 08:00-18:00, 1 prices finer than a millionth are rounded up"
    );
    let new = &view.new.some[0];
    assert!(
        new.contains("billed 60/1, only Mon-Fri 00:00-08:00") && new.contains(" from 2026-01-3"),
        "{new}"
    );
    let view = read("Code;Name;Rate\n44;UK;0,02\n");
    assert_eq!(view.dialect, "prefix, destination, price; parted by ';', decimal sign ','");
    assert_eq!(view.new.some, ["44 UK: 0.02 EUR/min"]);
}

#[test]
fn a_limit_that_nobody_has_touched_names_its_extension() {
    let limit = &Site::new().money.spending().limits[0];
    assert_eq!((limit.extension.as_str(), limit.spent.as_str()), ("201", "0.00"));
}
