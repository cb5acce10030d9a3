use super::*;
use ringtrip_config::{Country, DemoSecrets, ExtraNumber, Gateway, Region};

fn config(country: &str) -> Config {
    let mut config = Config::demo(Region::Uk, DemoSecrets { first: String::new(), second: String::new() });
    config.emergency.country = Country::of(country).unwrap();
    config.emergency.extra.push(ExtraNumber { dialled: Digits::new("9999"), send: Digits::new("999") });
    config
}

fn ways(config: &Config) -> Vec<String> {
    let call = decide(
        config,
        &CallerId { number: "101".into(), private: true, ..CallerId::default() },
        &Digits::new("112"),
    );
    let call = call.unwrap();
    assert!(
        call.ways().iter().all(|s| s.targets.iter().all(|t| !t.caller.private && t.number.as_str() == "112"))
    );
    call.ways().iter().map(|s| format!("{:?}", s.targets[0].target)).collect()
}

#[test]
fn exact_numbers_only() {
    #[track_caller]
    fn check(country: &str, dialled: &str, sent: Option<&str>) {
        let call = decide(&config(country), &CallerId::default(), &Digits::new(dialled));
        assert_eq!(call.as_ref().map(|c| c.number().as_str()), sent, "{dialled} in {country}");
    }
    check("GB", "999", Some("999"));
    check("uk", "112", Some("112"));
    check("GB", "911", None);
    check("GB", "9990", None);
    check("GB", "1999", None);
    check("GB", "99", None);
    check("GB", "", None);
    check("GB", "9999", Some("999"));
    check("GB", "999#", Some("999"));
    check("GB", ",,999", Some("999"));
    check("US", "911", Some("911"));
    check("US", "1911", None);
    check("US", "+1911", None);
    check("US", "999", None);
    check("US", "112", Some("911"));
    check("CA", "112", Some("911"));
    check("US", "urn:service:sos", Some("911"));
    check("US", "URN:service:sos.fire", Some("911"));
    check("US", "urn:service:sosx", None);
    check("DE", "110", Some("110"));
    check("AU", "000", Some("000"));
    check("FR", "15", Some("15"));
    check("FR", "196", Some("196"));
    check("OM", "urn:service:sos", Some("9999"));
    check("PK", "112", Some("112"));
    check("PK", "1122", Some("1122"));
    // Other countries' numbers are extensions of the house.
    check("DE", "118", None);
    check("GB", "110", None);
    check("US", "101", None);
}

#[test]
fn a_telephone_waits_only_where_another_number_begins_so() {
    #[track_caller]
    fn check(country: &str, dialled: &str, whole: bool) {
        assert_eq!(is_whole(&config(country).emergency, dialled), whole, "{dialled} in {country}");
    }
    check("PK", "112", false);
    check("PK", "1122", true);
    check("ET", "91", false);
    check("ET", "911", true);
    check("DE", "112", true);
    check("DE", "11", false);
    // A number that somebody added does not delay the country's own.
    check("GB", "999", true);
    check("GB", "9999", true);
    let waits = |c: &&'static Country| {
        c.numbers.iter().any(|n| !is_whole(&Emergency { country: c, ..Emergency::default() }, n))
    };
    let waiting: Vec<&str> = Country::all().iter().filter(waits).map(|c| c.code).collect();
    assert_eq!(waiting, ["ET", "LT", "PK"]);
}

#[test]
fn the_regions_of_the_table() {
    let codes: Vec<&str> = Country::all().iter().map(|c| c.code).collect();
    let expected = "\
        US GB AC AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO \
        BQ BR BS BT BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO \
        DZ EC EE EG EH ER ES ET EU FI FJ FK FM FO FR GA GD GE GF GG GH GI GL GM GN GP GR GT GU GW GY HK \
        HN HR HT HU ID IE IL IM IN IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC \
        LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ \
        NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PR PS PT PW PY QA RE RO RS RU \
        RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TG TH TJ TL TM TN TO \
        TR TT TV TW TZ UA UG UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW \
    ";
    assert_eq!(codes, expected.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn well_known_numbers() {
    #[track_caller]
    fn check(country: &str, numbers: &str) {
        let mut known = Country::of(country).unwrap().numbers.to_vec();
        known.sort_unstable();
        assert_eq!(known.join(" "), numbers, "{country}");
    }
    check("AU", "000 106 112");
    check("BE", "100 101 112");
    check("BR", "112 128 190 192 193 911");
    check("CA", "112 911");
    check("CH", "112 117 118 144");
    check("CN", "110 119 120 122");
    check("DE", "110 112");
    check("ES", "061 062 080 085 088 091 092 112");
    check("FR", "112 114 15 17 18 196");
    check("GB", "112 999");
    check("IN", "100 101 102 108 112 1298");
    check("IT", "112 113 115 118");
    check("JM", "110 112 119 911");
    check("JP", "110 118 119");
    check("LT", "01 011 02 022 033 101 102 103 112");
    check("NZ", "111");
    check("PL", "112 997 998 999");
    check("RU", "01 02 03 101 102 103 112");
    check("UZ", "01 02 03 050");
    check("US", "112 911");
    check("ZA", "10111 10177 112");
}

/// A telephone on a jack calls for help with the last key: nothing that people dial every day may begin so.
#[test]
fn no_international_call_begins_like_an_emergency_number() {
    for country in Country::all() {
        let america = country.numbers.contains(&"911");
        for number in country.numbers {
            // Nobody's country code begins with 0: 000 is free.
            let zeros = number.starts_with("00") && *number != "000";
            let eleven = america && number.starts_with("011");
            assert!(!zeros && !eleven && number.len() >= 2, "{number} in {country:?}");
        }
    }
}

#[test]
fn the_landline_first_then_the_providers() {
    let mut config = config("GB");
    assert_eq!(ways(&config), ["Landline"]);
    for id in ["gw1", "gw2"] {
        config.gateways.push(Gateway::new(id.parse().unwrap(), "sip.example.com".parse().unwrap(), "me"));
    }
    assert_eq!(ways(&config), ["Landline", "Gateway(\"gw1\")", "Gateway(\"gw2\")"]);
    config.emergency.providers = vec!["gw2".parse().unwrap()];
    assert_eq!(ways(&config), ["Landline", "Gateway(\"gw2\")"]);
    config.emergency.landline_first = false;
    assert_eq!(ways(&config), ["Gateway(\"gw2\")", "Landline"]);
    config.lines.truncate(2);
    assert_eq!(ways(&config), ["Gateway(\"gw2\")"]);
}

#[test]
fn every_country_has_numbers_that_a_telephone_can_dial() {
    for country in Country::all() {
        assert!(!country.numbers.is_empty() && country.code.len() == 2, "{country:?}");
        for number in country.numbers {
            assert!(number.len() >= 2 && number.chars().all(|c| c.is_ascii_digit()), "{country:?}");
            assert!(is_exact(&Emergency { country, ..Emergency::default() }, number));
        }
        assert_eq!(Country::all().iter().filter(|c| c.code == country.code).count(), 1, "{country:?}");
    }
}
