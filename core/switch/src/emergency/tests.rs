use super::*;
use crate::config::{DemoSecrets, ExtraNumber, Gateway, Region};

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
    check("US", "urn:service:sos", Some("911"));
    check("US", "URN:service:sos.fire", Some("911"));
    check("US", "urn:service:sosx", None);
    check("DE", "110", Some("110"));
    check("AU", "000", Some("000"));
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
