//! Price lists as providers send them.

use super::*;

/// What the deck says of a number: its price, or why there is none.
fn price(deck: &Deck, number: &str) -> String {
    let at = At::utc(1_790_000_000); // September 2026.
    match deck.find_listed(Prefix::leading(number), at) {
        None => "none".to_owned(),
        Some(found) if found.tariff().barred => "barred".to_owned(),
        Some(found) => found.tariff().per_minute.to_string(),
    }
}

#[track_caller]
fn prices(file: &str, expected: &[(&str, &str)]) {
    let import = import(file.as_bytes());
    assert_eq!(import.preview.errors.some, [], "{:#?}", import.preview.dialect);
    for (number, expected) in expected {
        assert_eq!(price(import.draft(), number), *expected, "{number} of {file}");
    }
}

fn with_picks(file: &str, picks: &[&str]) -> Result<Import, Unreadable> {
    let picks = picks.iter().map(|p| pick(p).expect("a column")).collect();
    read(file.as_bytes(), &Options { picks, ..options() }, None, &mut |_, _| true)
}

#[test]
fn rows_that_are_not_for_sale_take_their_prefix_away() {
    let file = "Category,Country,Network,Prefix,Rate,Connection fee,Initial increment,Recurring increment,Reject calls\n\
                International,United Kingdom,Fixed,44,0.0071,0.0,1,1,false\n\
                International,United Kingdom,Mobile,447,0.032,0.001,30,6,false\n\
                International,United Kingdom,Personal,4470,,,,,true\n\
                International,Cuba,,53,,,,,true\n";
    check(
        file,
        &[
            "44 United Kingdom Fixed 0.0071",
            "447 United Kingdom Mobile 0.032 +0.001 30/6",
            "4470 United Kingdom Personal 0.00 barred",
            "53 Cuba 0.00 barred",
        ],
    );
    prices(file, &[("447012345678", "barred"), ("447712345678", "0.032"), ("5351", "barred")]);
    let preview = import(file.as_bytes()).preview;
    assert_eq!((preview.barred.count, preview.new.count), (2, 2));
    for (heading, sold, barred) in [
        ("Enabled", "1", "0"),
        ("Active", "yes", "no"),
        ("Is Active", "TRUE", "FALSE"),
        ("For sale", "y", "n"),
        ("Forbidden", "no", "yes"),
        ("Discontinued", "", "X"),
        ("Blocked", "0", "1"),
        ("is_blocked", "f", "t"),
        ("Not available", "false", "true"),
        ("Status", "Increase", "Blocked"),
        ("Status", "Active", "Discontinued"),
        ("Rate status", "current", "Closed"),
        ("Remarks", "cheaper now", "not for sale"),
        ("gesperrt", "nein", "ja"),
    ] {
        let file = format!("prefix,rate,{heading}\n44,0.01,{sold}\n447,0.05,{barred}\n4479,0.09,{sold}\n");
        prices(&file, &[("442", "0.01"), ("4477", "barred"), ("44791", "0.09")]);
    }
    for word in
        ["Blocked", "closed", "N/A", "n.a.", "-", "--", "not available", "Discontinued", "on request", ""]
    {
        let file = format!("prefix,rate\n44,0.01\n447,{word}\n");
        prices(&file, &[("442", "0.01"), ("4477", "barred")]);
    }
    let odd = import(b"prefix,rate,enabled\n44,0.01,yes\n45,0.01,perhaps\n").preview.errors.some;
    assert!(odd[0].what.contains("\"perhaps\" does not say") && odd[0].line == 3, "{odd:?}");
    // From a day on.
    let file = "prefix,rate,from,status\n44,0.01,2026-01-01,active\n44,0.01,2026-06-01,closed\n45,0.01,2027-01-01,closed\n45,0.02,2026-01-01,open\n";
    prices(file, &[("44", "barred"), ("45", "0.02")]);
}

#[test]
fn a_barred_prefix_is_exported_and_read_back() {
    let deck = import(b"prefix,rate\n44,0.01\n447,blocked\n").accept(Bad::Refuse).expect("a deck");
    let again = import(export::to_string(&deck).as_bytes());
    assert_eq!(rows(again.draft()), ["44  0.01", "447  0.00 barred"]);
    assert_eq!(deck.find("447700", At::utc(0)).map(|f| f.prefix), None);
    assert!(deck.quote("447700", At::utc(0), 60).is_none());
}

#[test]
fn the_price_is_the_column_that_says_so() {
    // The new price holds from its day on, the current one until then.
    check(
        "Destination;Country Code;Area Code;Current Rate;New Rate;Effective Date;Billing Increment\n\
         Spain Mobile;34;6, 7;0,0300;0,0120;23/04/2026;60/60\nSpain;34;;0,0090;0,0110;23/04/2026;1/1\n",
        &[
            "34 Spain 0.011 from 2026-04-23",
            "34 Spain 0.009 until 2026-04-23",
            "346 Spain Mobile 0.012 60/60 from 2026-04-23",
            "346 Spain Mobile 0.03 60/60 until 2026-04-23",
            "347 Spain Mobile 0.012 60/60 from 2026-04-23",
            "347 Spain Mobile 0.03 60/60 until 2026-04-23",
        ],
    );
    check(
        "dialprefix,destination,rateinitial,initblock,billingblock,minimal_time_charge,connectcharge,disconnectcharge,package_offer\n\
         44,UK,0.0150,30,6,0,0.01,0,0\n447,UK Mobile,0.0310,1,1,0,0,0,0\n",
        &["44 UK 0.015 +0.01 30/6", "447 UK Mobile 0.031"],
    );
    for (headings, cells) in [
        ("Surcharge,Rate", "0.50,0.01"),
        ("Internal Rate,Price", "0.002,0.01"),
        ("Min. Price,Rate", "0,0.01"),
        ("Minimum charge,Rate per minute", "0,0.01"),
        ("Origin surcharge rate,Rate", "0.3,0.01"),
        ("Buy Rate,Sell Rate", "0.002,0.01"),
        ("Rate change,Rate", "0.001,0.01"),
        ("Tax rate,Rate", "19,0.01"),
        ("Previous Price,Price", "0.02,0.01"),
        ("Rate/sec,Rate/min", "0.000166,0.01"),
        ("Cost,Rate", "0.004,0.01"),
        ("RateId,Rate", "7,0.01"),
    ] {
        prices(&format!("Prefix,{headings}\n44,{cells}\n"), &[("44", "0.01")]);
    }
}

#[test]
fn two_columns_that_could_be_the_price_are_asked_for() {
    let file = "Prefix,Rate A,Rate B\n44,0.01,0.02\n";
    let refused = with_picks(file, &[]).expect_err("two prices").to_string();
    assert!(
        refused.contains("\"Rate A\", \"Rate B\"") && refused.contains("--column price=HEADING"),
        "{refused}"
    );
    for (pick, expected) in [("price=rate b", "0.02"), ("price=2", "0.01"), ("price = Rate A", "0.01")] {
        assert_eq!(price(with_picks(file, &[pick]).expect("a deck").draft(), "44"), expected, "{pick}");
    }
    let refused = with_picks(file, &["price=Rate C"]).expect_err("no such column").to_string();
    assert!(refused.contains("no column \"Rate C\"") && refused.contains("\"Rate A\""), "{refused}");
    assert!(with_picks(file, &["price=9"]).is_err());
    assert!(pick("rebate=Rate A").is_err() && pick("price").is_err() && pick("price=").is_err());
    // Without headings, too.
    let file = "44,UK,0.0100,0.0200\n45,DK,0.0300,0.0400\n";
    assert!(matches!(with_picks(file, &[]), Err(Unreadable::Rivals(_))));
    assert_eq!(price(with_picks(file, &["price=4"]).expect("a deck").draft(), "45"), "0.04");
    // What no heading says can be said.
    let import =
        with_picks("Alpha,Beta,Gamma\n44,0.01,1\n45,0.02,0\n", &["prefix=Alpha", "price=beta", "enabled=3"]);
    assert_eq!(rows(import.expect("a deck").draft()), ["44  0.01", "45  0.00 barred"]);
}

#[test]
fn a_hyphen_behind_a_country_code_is_for_the_eye() {
    check(
        "Destination,City Code(s),Price($)\nKorea-Mobile,82-10,0.0310\nPeru-Lima,51-1,0.0041\nPeru,51,0.0200\n\
         Australia-Sydney,61-2,0.0123\nAustralia,61,0.0222\nIndonesia,62,0.0555\n",
        &[
            "51 Peru 0.02",
            "511 Peru-Lima 0.0041",
            "61 Australia 0.0222",
            "612 Australia-Sydney 0.0123",
            "62 Indonesia 0.0555",
            "8210 Korea-Mobile 0.031",
        ],
    );
    codes("7-9", "", Ok("79"));
    codes("34-91", "", Ok("3491"));
    codes("353-86", "", Ok("35386"));
    codes("61 - 2", "", Ok("612"));
    codes("82-10, 11, 16-19", "", Ok("8210 8211 8216 8217 8218 8219"));
    codes("51-1-2", "", Ok("511 512"));
    codes("447400-447402", "", Ok("447400 447401 447402"));
    codes("61-62", "", Err("can be read as 6162 or as the countries 61 to 62"));
    codes("6139-6201", "", Err("leaves the country"));
    codes("353999-354001", "", Err("leaves the country"));
    codes("2-3", "61", Ok("612 613"));
    codes("+44 (0)20", "", Ok("4420"));
    codes("020", "", Err("begins with 0"));
    codes("0", "", Err("begins with 0"));
}

#[test]
fn north_american_codes_get_their_one() {
    let file = "NPANXX,Interstate Rate,Intrastate Rate,Effective\n212555,0.0031,0.0093,2026-01-01\n213555,0.0032,0.0082,2026-01-01\n";
    // Whether a call crosses a state line is not known here: the dearer price counts.
    check(file, &["1212555  0.0093 from 2026-01-01", "1213555  0.0082 from 2026-01-01"]);
    let one = with_picks(file, &["price=Interstate Rate"]).expect("a deck");
    assert_eq!(price(one.draft(), "12125551234"), "0.0031");
    for rows in [
        "NPA-NXX,Rate\n212-555,0.01\n",
        "NPA NXX,Rate\n(212) 555,0.01\n",
        "NPANXX,Rate\n1212555,0.01\n",
        "NPA,NXX,Rate\n212,555,0.01\n",
    ] {
        prices(rows, &[("12125551234", "0.01"), ("2125551234", "none")]);
    }
    check("NPA,Rate\n212,0.01\n", &["1212  0.01"]);
    check_faults(
        "NPANXX,Rate\n212555,0.01\n112555,0.01\n",
        &[(3, 1, "invalid North American area code", "as in 212555")],
    );
}

#[test]
fn a_first_step_beside_a_plain_increment() {
    check("Prefix,Rate,Initial increment,Recurring increment\n44,0.02,30,6\n", &["44  0.02 30/6"]);
    check("Prefix,Rate,Initial increment,Increment\n44,0.02,30,6\n", &["44  0.02 30/6"]);
    check("Prefix,Rate,Increment,First increment\n44,0.02,6,30\n", &["44  0.02 30/6"]);
    check("Prefix,Rate,Min billing,Billing\n44,0.02,60,1\n", &["44  0.02 60/1"]);
    check("Prefix,Rate,FirstInterval,SubInterval\n44,0.02,60,6\n", &["44  0.02 60/6"]);
    check("Prefix,Rate,Increment 1,Increment 2\n44,0.02,60,6\n", &["44  0.02 60/6"]);
}

#[test]
fn one_unknown_heading_does_not_lose_the_others() {
    check(
        "Prefix,Zielort XY,Wert,Gilt ab,Increment\n44,UK,0.0120,01/02/2026,60/1\n33,France,0.0300,13/02/2026,60/60\n",
        &["33 France 0.03 60/60 from 2026-02-13", "44 UK 0.012 60/1 from 2026-02-01"],
    );
    // A date is no billing step, a zero begins no prefix.
    check(
        "0201,44,UK,0.0120,01/02/2026\n0302,33,France,0.0300,13/02/2026\n",
        &["33 France 0.03 from 2026-02-13", "44 UK 0.012 from 2026-02-01"],
    );
    check(
        "Kod,Rate,Valid from\n44,0.01,01/02/2026\n45,0.02,13/02/2026\n",
        &["44  0.01 from 2026-02-01", "45  0.02 from 2026-02-13"],
    );
    assert!("01/02/2026".parse::<Steps>().is_err() && "60/60/1".parse::<Steps>().is_ok());
    // Two that could be the unknown price.
    let rivals =
        with_picks("Prefix,Wert A,Wert B\n44,0.01,0.02\n45,0.03,0.04\n", &[]).expect_err("two").to_string();
    assert!(rivals.contains("\"Wert A\", \"Wert B\""), "{rivals}");
}

#[test]
fn lines_are_counted_as_an_editor_does() {
    for end in ["\n", "\r\n", "\r"] {
        let file = ["prefix,rate", "44,0.01", "", "45,x", "", "", "46,y"].join(end);
        check_faults(&file, &[(4, 2, "no amount", ""), (7, 2, "no amount", "")]);
        let quoted = ["prefix,name,rate", "44,\"two", "lines\",0.01", "45,DK,x"].join(end);
        check_faults(&quoted, &[(4, 3, "no amount", "")]);
    }
}
