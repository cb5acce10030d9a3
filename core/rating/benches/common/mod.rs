//! A deck as wholesale providers send them, made from a seed: some countries with most of the prefixes, prefixes of three
//! to nine digits, names and prices that many rows share.
#![allow(clippy::mod_module_files, reason = "a file of its own here would be a bench")]
#![allow(dead_code)]

pub mod cpu;

use std::collections::HashSet;

use ringtrip_rating::deck::{Builder, Deck};
use ringtrip_rating::money::{Currency, Money};
use ringtrip_rating::prefix::Prefix;
use ringtrip_rating::rate::{Rate, Steps, Tariff, Validity};

/// Numbers from a seed (xorshift).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

const COUNTRIES: &[&str] = &[
    "1", "44", "49", "91", "86", "55", "52", "39", "33", "34", "7", "62", "63", "92", "880", "234", "84",
    "66", "90", "48", "31", "32", "41", "43", "46", "47", "45", "358", "353", "351", "30", "36", "420",
    "421", "40", "359", "380", "375", "370", "371", "372", "27", "20", "212", "213", "216", "254", "255",
    "256", "233", "237", "225", "221", "61", "64", "81", "82", "852", "886", "65", "60", "98", "964", "966",
    "971", "972", "961", "962", "965", "968", "974", "54", "56", "57", "58", "51", "593", "591", "595",
    "598", "502", "503", "504", "505", "506", "507", "509", "53", "977", "94", "95", "855", "856", "93",
    "992", "993", "994", "995", "996", "998", "376", "377", "378", "381", "382", "385", "386", "387", "389",
];

/// Rows of a deck with this many prefixes, in no order.
pub fn rates(prefixes: usize, seed: u64) -> Vec<Rate> {
    let mut dice = Dice(seed | 1);
    let mut known = HashSet::with_capacity(prefixes);
    let mut rates = Vec::with_capacity(prefixes);
    while rates.len() < prefixes {
        // The square makes the first countries of the list the large ones.
        let n = COUNTRIES.len() as u64;
        let country = (dice.below(n) * dice.below(n) / n) as usize;
        let digits = match dice.below(100) {
            0..3 => 1,
            3..8 => 2,
            8..20 => 3,
            20..45 => 4,
            45..80 => 5,
            _ => 6,
        };
        let mut code = COUNTRIES[country].to_owned();
        for _ in 0..digits {
            code.push(char::from(b'0' + dice.below(10) as u8));
        }
        let prefix = Prefix::leading(&code);
        if !known.insert(prefix) {
            continue;
        }
        let operator = dice.below(25);
        // An operator has a price, now and then two.
        let micros = 1_000 + (country as u64 * 7919 + operator * 104_729 + dice.below(3) * 31) % 390_000;
        let tariff = Tariff {
            steps: if country.is_multiple_of(3) { Steps::MINUTE } else { Steps::SECOND },
            ..Tariff::per_minute(Money(micros as i64))
        };
        let from = Some(1_767_225_600 + 86_400 * 7 * (operator % 4) as i64);
        let name = format!("Country {} mobile operator {operator}", COUNTRIES[country]);
        rates.push(Rate { validity: Validity { from, until: None }, ..Rate::new(prefix, &name, tariff) });
    }
    rates
}

pub fn deck(name: &str, rates: &[Rate]) -> Deck {
    let mut builder = Builder::new(name, Currency::EUR);
    rates.iter().for_each(|r| builder.add(r));
    builder.build()
}

/// Numbers as they are dialled: most within the deck, some anywhere.
pub fn numbers(rates: &[Rate], count: usize, seed: u64) -> Vec<String> {
    let mut dice = Dice(seed | 1);
    (0..count)
        .map(|_| {
            let mut number = match dice.below(10) {
                0 => String::new(),
                _ => rates[dice.below(rates.len() as u64) as usize].prefix.to_string(),
            };
            while number.len() < 12 {
                number.push(char::from(b'0' + dice.below(10) as u8));
            }
            number
        })
        .collect()
}
