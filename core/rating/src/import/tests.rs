mod lists;

use proptest::prelude::*;

use super::*;
use crate::export;
use crate::money::Money;
use crate::prefix::Prefix;
use crate::rate::{Rate, Tariff, Validity};
use crate::time::At;

fn options() -> Options {
    Options::new("test", Currency::EUR)
}

fn import(file: &[u8]) -> Import {
    read(file, &options(), None, &mut |_, _| true).unwrap_or_else(|e| panic!("{e}"))
}

/// Every rate as `prefix destination price`, with what is not usual behind it.
fn rows(deck: &Deck) -> Vec<String> {
    deck.rates()
        .map(|f| {
            let mut row = format!("{} {} {}", f.prefix, f.destination(), f.tariff().per_minute);
            if f.tariff().connection != Money::ZERO {
                row += &format!(" +{}", f.tariff().connection);
            }
            if f.tariff().minimum != Money::ZERO {
                row += &format!(" >={}", f.tariff().minimum);
            }
            if f.tariff().minimum_seconds > 0 {
                row += &format!(" >={}s", f.tariff().minimum_seconds);
            }
            if f.tariff().steps != Steps::SECOND {
                row += &format!(" {}", f.tariff().steps);
            }
            if f.tariff().barred {
                row += " barred";
            }
            if let Some(from) = f.validity().from {
                row += &format!(" from {}", At::utc(from).date());
            }
            if let Some(until) = f.validity().until {
                row += &format!(" until {}", At::utc(until).date());
            }
            if let Some(hours) = f.hours() {
                row += &format!(" [{hours}]");
            }
            row
        })
        .collect()
}

#[track_caller]
fn check(file: impl AsRef<[u8]>, expected: &[&str]) -> Preview {
    let import = import(file.as_ref());
    assert_eq!(import.preview.errors.some, [], "{:#?}", import.preview);
    let preview = import.preview.clone();
    let deck = import.accept(Bad::Refuse).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(rows(&deck), expected, "{:#?}", preview.dialect);
    preview
}

#[test]
fn dialects_are_found() {
    let two = &["33 France 0.01", "44 United Kingdom 0.012"];
    check("Prefix,Destination,Rate\n44,United Kingdom,0.012\n33,France,0.01\n", two);
    check("Prefix;Destination;Rate\r\n44;United Kingdom;0,012\r\n33;France;0,01\r\n", two);
    check("Code\tCountry\tPrice per minute\n44\tUnited Kingdom\t0.012\n33\tFrance\t0.01", two);
    check("dial code|description|cost\n44|United Kingdom|.012\n33|France|.01", two);
    check(
        "\"Prefix\",\"Destination\",\"Rate\"\n\"44\",\"United Kingdom\",\"0,012\"\n\"33\",\"France\",\"0,01\"\n",
        two,
    );
    check("sep=;\nPrefix;Destination;Rate\n44;United Kingdom;0.012\n33;France;0.01\n", two);
    check("\u{feff}Prefix,Destination,Rate\n44,United Kingdom,0.012\n33,France,0.01\n", two);
    check(
        "Best Telecom GmbH\nvalid: 1.1.2026,,\n\n,Prefix,Destination,Rate\n,44,United Kingdom,0.012\n,+33,France,$0.01\n",
        two,
    );
    check("44,United Kingdom,0.012\n33,France,0.01\n", two);
    check("United Kingdom;44;0,012\nFrance;33;0,01\n", two);
    check("Netz;Nummer;Kosten\n44;United Kingdom;0,012\n33;France;0,01\n", two);
    check("Rate,Code,Destination Name,Rate Plan Id\n0.012,44,United Kingdom,7\n0.01,0033,France,8\n", two);
    let units: Vec<u8> = "\u{feff}Prefix\tDestination\tRate\n44\tUnited Kingdom\t0.012\n33\tFrance\t0.01\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    check(units, two);
    let preview = check(b"Vorwahl;Bezeichnung;Preis\n43;\xd6sterreich;0,02 \x80\n", &["43 Österreich 0.02"]);
    assert_eq!((preview.dialect.encoding, preview.dialect.decimal), (Encoding::Latin1, ','));
    assert_eq!(preview.dialect.currency, Some(Currency::EUR));
}

#[test]
fn every_usual_column_is_read() {
    check(
        "Country,Destination,Dial Code,Rate (USD/min),Connection Fee,Minimum Charge,Billing Increment,Effective Date,Valid Until\n\
         United Kingdom,Mobile,447,0.02,0.05,0.01,60/1,2026-01-31,2026-12-31\n\
         United Kingdom,United Kingdom Landline,44,0.01,,,1/1,,\n",
        &[
            "44 United Kingdom Landline 0.01",
            "447 United Kingdom Mobile 0.02 +0.05 >=0.01 60/1 from 2026-01-31 until 2026-12-31",
        ],
    );
    check(
        "prefix,name,pence per minute,setup fee (pence),min duration (sec),initial increment,next increment\n447,Mobile,1.5,5,20,30,6\n",
        &["447 Mobile 0.015 +0.05 >=20s 30/6"],
    );
    check("prefix,rate,minimum\n44,0.01,30\n45,0.01,0.5\n", &["44  0.01 >=30s", "45  0.01 >=0.50"]);
    check("Code,Old rate,New rate\n44,9.99,0.01\n", &["44  0.01"]);
    check(
        "prefix,peak rate,off-peak rate\n44,0.02,0.01\n",
        &[
            "44  0.01 [Mon-Fri 00:00-08:00, Mon-Fri 18:00-24:00, Sat-Sun 00:00-24:00]",
            "44  0.02 [Mon-Fri 08:00-18:00]",
        ],
    );
    check("prefix,rate,hours\n44,0.02,\n44,0.01,Sat-Sun\n", &["44  0.01 [Sat-Sun 00:00-24:00]", "44  0.02"]);
}

#[test]
fn steps_stand_in_one_column_or_in_two() {
    let steps = &["44  0.02 60/1"];
    check("Code|First|Next|Peak\n44|60|1|0.02\n", &["44  0.02 60/1 [Mon-Fri 08:00-18:00]"]);
    check("Code,Rate,First (s),Next (s)\n44,0.02,60,1\n", steps);
    check("Code,Rate,Billing (min/step)\n44,0.02,60/1\n", steps);
    check("Code,Rate,Initial Increment\n44,0.02,60\n", &["44  0.02 60/60"]);
    // A name is no step.
    check("Code,First Name,Rate\n44,UK,0.02\n", &["44 UK 0.02"]);
}

/// The faults of a file: line, column, what, hint.
#[track_caller]
fn check_faults(file: &str, expected: &[(u64, usize, &str, &str)]) {
    let preview = import(file.as_bytes()).preview;
    let faults: Vec<_> =
        preview.errors.some.iter().map(|e| (e.line, e.column, e.what.as_str(), e.hint)).collect();
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, (line, column, what, hint)) in faults.iter().zip(expected) {
        assert_eq!((fault.0, fault.1), (*line, *column), "{fault:?}");
        assert!(fault.2.contains(what) && fault.3.contains(hint), "{fault:?}");
    }
}

#[test]
fn a_price_in_another_currency_is_refused() {
    let file = "prefix,rate\n44,0.01 EUR\n1,0.02 USD\n45,£0.02\n46,0.01\n47,€ 0.01\n";
    let hint = "one deck for each currency";
    check_faults(
        file,
        &[
            (3, 2, "\"0.02 USD\" is in USD, the deck in EUR", hint),
            (4, 2, "is in GBP, the deck in EUR", hint),
        ],
    );
    check("prefix,rate (AUD)\n61,$0.01\n", &["61  0.01"]);
}

#[test]
fn an_open_quotation_mark_does_not_swallow_the_rest() {
    let mark = "is not closed";
    check_faults("prefix,name,rate\n44,UK,0.01\n\"33,FR,0.02\n49,DE,0.02\n", &[(3, 1, mark, "close it")]);
    check_faults("prefix,name,rate\n44,UK,0.01\n33,\"FR,0.02\n49,DE,0.02\n", &[(3, 2, mark, "close it")]);
    check_faults("prefix,name,rate\n44,UK,\"0.01\n49,DE,0.02\n", &[(2, 3, mark, "close it")]);
    // A cell of several lines is fine, and so is a quotation mark within a name.
    check("prefix,name,rate\n\"44\n45\",UK,0.01\n", &["44 UK 0.01", "45 UK 0.01"]);
    check("prefix,name,rate\n44,5\" pipe,0.01", &["44 5\" pipe 0.01"]);
}

#[test]
fn faults_say_what_to_do() {
    check_faults(
        "prefix,rate\n44,0.01\n1.23E+10,0.02\n",
        &[(3, 1, "1.23E+10", "a spreadsheet has shortened it")],
    );
    check_faults("prefix,rate\n44,0.01\nTotal,0.02\n", &[(3, 1, "Total", "digits with the country code")]);
    check_faults(
        "prefix,rate\n44,0.01\n45,1,2.3.4\n46,1e-2\n47,99999999999999999999\n",
        &[
            (4, 2, "invalid amount \"1e-2\"", "as in 0.012"),
            (5, 2, "is too large for an amount", "as in 0.012"),
        ],
    );
}

#[test]
fn dates_are_read_in_several_ways() {
    for date in [
        "2026-01-31",
        "2026/01/31",
        "31.01.2026",
        "31/01/2026",
        "31-Jan-2026",
        "Jan 31 2026",
        "31 January 2026",
        "20260131",
        "31.1.26",
        "46053",
        "2026-01-31 00:00:00",
        "2026-01-31T00:00:00Z",
        "2026-01-31T02:00:00+02:00",
        "01/31/2026",
        "1/31/2026 12:00:00 AM",
        "31-OCT-2026",
    ] {
        let expected =
            if date.contains("OCT") { "44  0.01 from 2026-10-31" } else { "44  0.01 from 2026-01-31" };
        check(format!("prefix;rate;effective date\n44;0.01;{date}\n"), &[expected]);
    }
    // One telling date decides for those that could be both.
    check(
        "prefix,rate,date\n44,1.0,03/04/2026\n45,1.0,04/25/2026\n",
        &["44  1.00 from 2026-03-04", "45  1.00 from 2026-04-25"],
    );
    let zoned = Options { offset: 3600, ..options() };
    let import =
        read(b"prefix,rate,date\n44,1.0,2026-01-31\n", &zoned, None, &mut |_, _| true).expect("a deck");
    assert_eq!(import.draft().rates().next().and_then(|r| r.validity().from), Some(1_769_814_000));
}

#[track_caller]
fn codes(cell: &str, base: &str, expected: Result<&str, &str>) {
    let mut found = Vec::new();
    let base = Prefix::leading(base);
    match (cell::prefixes(cell, base, 200, &mut found), expected) {
        (Ok(()), Ok(list)) => {
            let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(shown.join(" "), list, "{cell}");
        }
        (Err((what, _)), Err(part)) => assert!(what.contains(part), "{cell}: {what}"),
        (got, _) => panic!("{cell}: {got:?} {found:?}"),
    }
}

#[test]
fn a_cell_may_hold_many_codes() {
    codes("447400", "", Ok("447400"));
    codes("+44 7400", "", Ok("447400"));
    codes("0044-7400", "", Ok("447400"));
    codes("44 7400-7403, 7500", "", Ok("447400 447401 447402 447403 447500"));
    codes("44 7400-3;7500", "", Ok("447400 447401 447402 447403 447500"));
    codes("447400-447402", "", Ok("447400 447401 447402"));
    codes("7400, 7500-7501", "44", Ok("447400 447500 447501"));
    codes("1-264", "", Ok("1264"));
    codes("44 7400, 33 6", "", Ok("447400 336"));
    codes("098-102", "49", Ok("49098 49099 49100 49101 49102"));
    codes("", "", Err("missing"));
    codes("abc", "", Err("invalid prefix"));
    codes("44x", "", Err("invalid prefix"));
    codes("7403-7400", "44", Err("ends before it begins"));
    codes("1000-9999", "44", Err("makes 9000 prefixes"));
    codes("12345678901234567", "", Err("invalid prefix"));
    codes("44 -", "", Err("invalid prefix"));
    check(
        "Country Code,Area Codes,Rate\n44,\"7400-7401, 7500\",0.02\n44,,0.01\n",
        &["44  0.01", "447400  0.02", "447401  0.02", "447500  0.02"],
    );
    check("Country Code,Prefix,Rate\n44,447400,0.02\n33,336,0.01\n", &["336  0.01", "447400  0.02"]);
}

#[test]
fn bad_rows_are_named_and_nothing_is_imported() {
    let file = "Prefix,Destination,Rate,Increment,Date\n44,UK,0.01,1/1,2026-01-01\n45,Denmark,cheap,1/1,2026-01-01\n\
                4x,Wrong,0.1,1/1,2026-01-01\n46,Sweden,-0.1,1/1,2026-01-01\n47,Norway,0.1,fast,2026-01-01\n\
                48,Poland,0.1,1/1,yesterday\n";
    let import = import(file.as_bytes());
    let errors: Vec<String> = import.preview.errors.some.iter().map(ToString::to_string).collect();
    for (error, expected) in errors.iter().zip([
        "line 3, column 3: no amount is given",
        "line 4, column 1: invalid prefix \"4x\"",
        "line 5, column 3: the price -0.10 is less than nothing",
        "line 6, column 4: invalid billing steps \"fast\"",
        "line 7, column 5: invalid date \"yesterday\"",
    ]) {
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!((errors.len(), import.preview.rows, import.preview.rates), (5, 6, 1));
    assert_eq!(import.preview.absurd.some[0].why, Why::Negative);
    let refused = import.clone().accept(Bad::Refuse).expect_err("bad rows").to_string();
    assert!(refused.starts_with("5 rows cannot be read, the first in line 3, column 3"), "{refused}");
    assert_eq!(import.accept(Bad::Skip).map(|d| rows(&d)), Ok(vec!["44 UK 0.01 from 2026-01-01".to_owned()]));
}

#[test]
fn what_is_no_price_list_is_refused() {
    let refusal =
        |file: &[u8]| read(file, &options(), None, &mut |_, _| true).expect_err("no list").to_string();
    assert!(refusal(b"").contains("empty"));
    assert!(refusal(b"\n\n\n").contains("empty"));
    assert!(refusal(b"PK\x03\x04\0\0\0").contains("not text"));
    let no_price = refusal(b"Prefix,Destination\n44,UK\n");
    assert!(no_price.contains("no column of prices") && no_price.contains("\"Destination\""), "{no_price}");
    assert!(refusal(b"Name,Rate\nUK,0.01\n").contains("no column of prefixes"));
    let none = import(b"Prefix,Rate\n44,-\n");
    assert!(matches!(none.accept(Bad::Skip), Err(Refused::Nothing)));
    assert!(matches!(read(b"p,q\n1,1\n", &options(), None, &mut |_, _| false), Err(Unreadable::Stopped)));
}

#[test]
fn columns_may_be_forced() {
    let forced = Options {
        columns: Some(vec![Column::Ignored, Column::Price(When::Always, Scale::Unit), Column::Prefix]),
        separator: Some(b':'),
        decimal: Some(','),
        ..options()
    };
    let import = read(b"x:y:z\n1:2,5:44\n", &forced, None, &mut |_, _| true).expect("a deck");
    assert_eq!(rows(import.draft()), ["44  2.50"]);
}

#[test]
fn a_preview_says_what_would_change() {
    let old =
        import(b"prefix,destination,rate\n44,UK,0.01\n447,UK mobile,0.02\n33,France,0.01\n49,Germany,0.01\n")
            .accept(Bad::Refuse)
            .expect("a deck");
    let new = b"prefix,destination,rate\n44,UK,0.01\n447,UK mobile,0.025\n49,Germany,0.1\n39,Italy,0.02\n35818,Finland,0.1\n35819,Finland,0.1\n\
                99,Nowhere,\n88,Free,0\n39,Italy,0.03\n44,UK again,0.01\n";
    let preview = read(new, &options(), Some(&old), &mut |_, _| true).expect("a deck").preview;
    let prefixes = |lines: &Listed<Line>| lines.some.iter().map(|l| l.prefix.to_string()).collect::<Vec<_>>();
    assert_eq!(prefixes(&preview.new), ["35818", "35819", "39", "88"]);
    assert_eq!(prefixes(&preview.removed), ["33"]);
    assert_eq!(preview.same, 1);
    let changes: Vec<_> = preview
        .changed
        .some
        .iter()
        .map(|c| (c.prefix.to_string(), c.old.per_minute.0, c.new.per_minute.0))
        .collect();
    assert_eq!(changes, [("447".to_owned(), 20_000, 25_000), ("49".to_owned(), 10_000, 100_000)]);
    let gaps = &preview.gaps.some;
    assert!(matches!(&gaps[0], Gap::NoPrice { line: 8, .. }), "{gaps:?}");
    assert!(
        matches!(&gaps[1], Gap::NoParent { prefixes: 2, country, .. } if country.to_string() == "358"),
        "{gaps:?}"
    );
    let overlap = &preview.overlaps.some[0];
    assert_eq!((overlap.taken.per_minute.0, overlap.taken_line, overlap.dropped_line), (30_000, 10, 5));
    assert_eq!((preview.overlaps.count, preview.repeated), (1, 1));
    let whys: Vec<_> = preview.absurd.some.iter().map(|a| (a.prefix.to_string(), a.why)).collect();
    assert_eq!(whys, [("49".to_owned(), Why::Jump(Money(10_000))), ("88".to_owned(), Why::Zero)]);
}

#[test]
fn a_shifted_decimal_sign_is_seen() {
    let mut file = String::from("prefix,rate\n");
    for n in 0..50 {
        file += &format!("44{},{}\n", 100 + n, if n == 7 { "12.0" } else { "0.012" });
    }
    let preview = import(file.as_bytes()).preview;
    let odd: Vec<_> = preview.absurd.some.iter().map(|a| (a.prefix.to_string(), a.why)).collect();
    assert_eq!(odd, [("44107".to_owned(), Why::Outlier(Money(12_000)))]);
}

#[test]
fn lists_are_cut_but_counted_and_progress_is_told() {
    let mut file = String::from("prefix,rate\n");
    for n in 0..20_000 {
        file += &format!("44{n:05},x\n");
    }
    let mut progress = Vec::new();
    let few = Options { listed: 3, ..options() };
    let import = read(file.as_bytes(), &few, None, &mut |done, total| {
        progress.push((done, total));
        true
    })
    .expect("a table");
    assert_eq!((import.preview.errors.count, import.preview.errors.some.len()), (20_000, 3));
    let size = file.len() as u64;
    assert!(
        progress.len() > 3 && progress.is_sorted() && progress.last() == Some(&(size, size)),
        "{progress:?}"
    );
}

#[test]
fn a_small_file_cannot_make_too_many_prefixes() {
    let file = format!("prefix,rate\n{}", "44 0000-9999,0.1\n".repeat(20));
    let few = Options { most: 50_000, ..options() };
    let refused = read(file.as_bytes(), &few, None, &mut |_, _| true).expect_err("too many");
    assert_eq!(refused, Unreadable::TooMany(50_000));
}

#[test]
fn prices_finer_than_a_millionth_are_rounded_up_and_counted() {
    let preview = check("prefix,rate\n44,0.01234567\n45,0.0100000000\n", &["44  0.012346", "45  0.01"]);
    assert_eq!(preview.rounded, 1);
}

fn any_rate() -> impl Strategy<Value = Rate> {
    let money = || (0i64..5_000_000).prop_map(Money);
    let tariff =
        (money(), money(), money(), 0u32..90, 1u32..99, 1u32..99).prop_map(|(a, b, c, s, f, n)| Tariff {
            per_minute: a,
            connection: b,
            minimum: c,
            minimum_seconds: s,
            steps: Steps { first: f, next: n },
            barred: false,
        });
    let tariff = prop_oneof![9 => tariff, 1 => Just(Tariff::BARRED)];
    let day = || prop::option::of(-100_000i64..4_000_000_000);
    let hours =
        prop::option::of(prop::collection::vec((0u16..10_080, 0u16..10_080), 1..3).prop_map(Hours::new));
    ("[0-9]{0,15}", "[ -~äß;\t\r\n\"]{0,20}", tariff, day(), prop::option::of(1i64..100_000), hours).prop_map(
        |(prefix, name, tariff, from, length, hours)| Rate {
            prefix: Prefix::leading(&prefix),
            destination: name.trim().into(),
            tariff,
            validity: Validity { from, until: length.map(|l| from.unwrap_or(0) + l) },
            hours: hours.filter(|h| !h.stretches().is_empty()),
        },
    )
}

proptest! {
    #[test]
    fn what_is_exported_imports_back(rates in prop::collection::vec(any_rate(), 1..40)) {
        let mut builder = Builder::new("test", Currency::GBP);
        rates.iter().for_each(|r| builder.add(r));
        let deck = builder.build();
        let text = export::to_string(&deck);
        let again = read(text.as_bytes(), &options(), Some(&deck), &mut |_, _| true).expect("our own table");
        prop_assert_eq!(&again.preview.errors.some, &[]);
        prop_assert_eq!((again.preview.same, again.preview.changed.count), (deck.prefixes(), 0));
        let again = again.draft().clone();
        prop_assert_eq!(again.currency(), Currency::GBP);
        prop_assert!(deck.rates().map(|f| f.rate()).eq(again.rates().map(|f| f.rate())), "{}", text);
        prop_assert_eq!(export::to_string(&again), text);
    }

    #[test]
    fn no_octets_panic(file in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&file, &options(), None, &mut |_, _| true);
    }

    #[test]
    fn no_table_panics(
        header in prop::sample::select(vec!["prefix,rate", "44;0,1", "country code;codes;peak;off peak;from", "code|price|min|increment|hours", ""]),
        body in "([0-9]{0,5}[,;|\t\n .+/-]?[0-9a-z:\"äT]{0,6}[,;|\t\n -]?){0,40}",
    ) {
        if let Ok(import) = read(format!("{header}\n{body}").as_bytes(), &options(), None, &mut |_, _| true) {
            let _ = import.accept(Bad::Skip);
        }
    }

    #[test]
    fn no_cell_panics(cell in "\\PC{0,30}", base in "[0-9]{0,4}") {
        let mut out = Vec::new();
        let _ = cell::prefixes(&cell, Prefix::leading(&base), 50, &mut out);
        let _ = cell::moment(&cell, true, 0);
        let _ = cell::amount(&cell, ',', Scale::Hundredth);
        let _ = header::column(&cell);
    }
}
