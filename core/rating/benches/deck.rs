//! Look-ups in a deck of a million prefixes: ours, and what else could have been taken. Budgets: 300 ns a look-up,
//! 48 octets a prefix, 500,000 rows a second to import.

mod common;

use std::collections::HashMap;
use std::hint::black_box;

use common::cpu::Cpu;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringtrip_rating::deck::Deck;
use ringtrip_rating::export;
use ringtrip_rating::import::{self, Bad, Options};
use ringtrip_rating::money::Currency;
use ringtrip_rating::prefix::Prefix;
use ringtrip_rating::rate::Rate;
use ringtrip_rating::time::At;

const PREFIXES: usize = 1_000_000;

/// A sorted array of texts' words, searched once for each length.
struct Sorted(Vec<(Prefix, u32)>);

impl Sorted {
    fn find(&self, number: Prefix) -> Option<u32> {
        (0..=number.len()).rev().find_map(|n| {
            let prefix = number.first(n);
            self.0.binary_search_by_key(&prefix, |(p, _)| *p).ok().map(|i| self.0[i].1)
        })
    }
}

/// A hash table, asked once for each length.
struct Hashed(HashMap<Prefix, u32>);

impl Hashed {
    fn find(&self, number: Prefix) -> Option<u32> {
        (0..=number.len()).rev().find_map(|n| self.0.get(&number.first(n)).copied())
    }
}

/// A trie of digits; a node's children stand side by side and a bit for each says which there are.
struct Trie(Vec<Node>);

#[derive(Clone, Copy, Default)]
struct Node {
    children: u32,
    value: u32,
    present: u16,
}

impl Trie {
    fn new(sorted: &[(Prefix, u32)]) -> Trie {
        let mut nodes = vec![Node { value: u32::MAX, ..Node::default() }];
        let mut work = vec![(0usize, 0usize, 0..sorted.len())];
        while let Some((node, depth, mut range)) = work.pop() {
            if let Some((prefix, value)) = sorted.get(range.start).filter(|_| !range.is_empty())
                && prefix.len() == depth
            {
                nodes[node].value = *value;
                range.start += 1;
            }
            nodes[node].children = nodes.len() as u32;
            let mut groups = Vec::new();
            while !range.is_empty() {
                let head = sorted[range.start].0.first(depth + 1);
                let many = sorted[range.clone()].partition_point(|(p, _)| head.begins(*p));
                let digit = head.to_string().as_bytes()[depth] - b'0';
                nodes[node].present |= 1 << digit;
                groups.push(range.start..range.start + many);
                range.start += many;
            }
            for group in groups {
                nodes.push(Node { value: u32::MAX, ..Node::default() });
                work.push((nodes.len() - 1, depth + 1, group));
            }
        }
        Trie(nodes)
    }

    fn find(&self, number: &str) -> Option<u32> {
        let mut node = self.0[0];
        let mut best = node.value;
        for byte in number.bytes() {
            let digit = byte - b'0';
            if node.present >> digit & 1 == 0 {
                break;
            }
            let before = (node.present & ((1 << digit) - 1)).count_ones();
            node = self.0[(node.children + before) as usize];
            if node.value != u32::MAX {
                best = node.value;
            }
        }
        (best != u32::MAX).then_some(best)
    }
}

/// A finite-state transducer, walked digit by digit.
fn find_fst(map: &fst::Map<Vec<u8>>, number: &str) -> Option<u64> {
    let fst = map.as_fst();
    let mut node = fst.root();
    let mut output = fst::raw::Output::zero();
    let mut best = None;
    for byte in number.bytes() {
        let Some(place) = node.find_input(byte) else { break };
        let transition = node.transition(place);
        output = output.cat(transition.out);
        node = fst.node(transition.addr);
        if node.is_final() {
            best = Some(output.cat(node.final_output()).value());
        }
    }
    best
}

fn look_ups(c: &mut Criterion<Cpu>, deck: &Deck, rates: &[Rate]) {
    let mut sorted: Vec<(Prefix, u32)> = rates.iter().zip(0..).map(|(r, i)| (r.prefix, i)).collect();
    sorted.sort_unstable();
    let trie = Trie::new(&sorted);
    let hashed = Hashed(sorted.iter().copied().collect());
    let mut words: Vec<(String, u64)> = sorted.iter().map(|(p, i)| (p.to_string(), u64::from(*i))).collect();
    words.sort();
    let fst = fst::Map::from_iter(words).expect("sorted keys");
    let sorted = Sorted(sorted);

    let numbers = common::numbers(rates, 1 << 16, 99);
    let at = At::utc(1_800_000_000);
    for number in numbers.iter().take(20_000) {
        let prefix = Prefix::leading(number);
        let ours = deck.find(number, at).map(|f| f.prefix);
        let by_place = |i: u32| rates[i as usize].prefix;
        assert_eq!(ours, sorted.find(prefix).map(by_place));
        assert_eq!(ours, hashed.find(prefix).map(by_place));
        assert_eq!(ours, trie.find(number).map(by_place));
        assert_eq!(ours, find_fst(&fst, number).map(|i| by_place(i as u32)));
    }
    // What the others need beside their index to say price, name and date: one row of ours.
    for (name, octets) in [
        ("this deck", deck.bytes()),
        ("sorted array", size_of_val(&*sorted.0)),
        ("hash table", hashed.0.capacity() * 8 / 7 * (size_of::<(Prefix, u32)>() + 1)),
        ("trie of digits", size_of_val(&*trie.0)),
        ("fst", fst.as_fst().as_bytes().len()),
    ] {
        println!("figure: octets a prefix, {name} = {:.1} octets", octets as f64 / PREFIXES as f64);
    }

    let mut group = c.benchmark_group("longest prefix of 1,000,000");
    let mut place = 0;
    let mut next = || {
        place = (place + 1) & 0xFFFF;
        &numbers[place]
    };
    group.bench_function("trie of digits, index only", |b| b.iter(|| black_box(trie.find(next()))));
    group.bench_function("fst, index only", |b| b.iter(|| black_box(find_fst(&fst, next()))));
    group.bench_function("hash table for each length, index only", |b| {
        b.iter(|| black_box(hashed.find(Prefix::leading(next()))))
    });
    group.bench_function("sorted array for each length, index only", |b| {
        b.iter(|| black_box(sorted.find(Prefix::leading(next()))))
    });
    group.bench_function("this deck, with price and date", |b| {
        b.iter(|| black_box(deck.find(next(), at).map(|f| f.tariff().per_minute)))
    });
    let words: Vec<Prefix> = numbers.iter().map(|n| Prefix::leading(n)).collect();
    let mut next = words.iter().cycle();
    group.bench_function("this deck, number read before", |b| {
        b.iter(|| {
            black_box(next.next().and_then(|n| deck.find_prefix(*n, at)).map(|f| f.tariff().per_minute))
        })
    });
    group.finish();
}

/// A price list as providers send it.
fn list(rates: &[Rate]) -> String {
    let mut text = String::from("Country;Destination;Dial Code;Rate;Increment;Effective Date\r\n");
    for rate in rates {
        let (_, operator) = rate.destination.split_once(" mobile").unwrap_or(("", "other"));
        let price = rate.tariff.per_minute.to_string().replace('.', ",");
        text += &format!(
            "Country {};mobile{operator};{};{price};{};{}\r\n",
            rate.prefix.first(rate.prefix.country_digits()),
            rate.prefix,
            rate.tariff.steps,
            At::utc(rate.validity.from.unwrap_or(0)).date(),
        );
    }
    text
}

fn imports(c: &mut Criterion<Cpu>, deck: &Deck, rates: &[Rate]) {
    let options = Options::new("bench", Currency::EUR);
    let foreign = list(rates);
    let own = export::to_string(deck);
    let mut group = c.benchmark_group("import of 1,000,000 rows");
    group.sample_size(10).throughput(Throughput::Elements(PREFIXES as u64));
    for (name, text, old) in [
        ("a provider's list", &foreign, None),
        ("a provider's list, with preview against the old deck", &foreign, Some(deck)),
        ("our own export", &own, None),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let import = import::read(text.as_bytes(), &options, old, &mut |_, _| true).expect("a list");
                import.accept(Bad::Refuse).expect("no bad rows")
            })
        });
    }
    group.finish();
}

fn all(c: &mut Criterion<Cpu>) {
    let rates = common::rates(PREFIXES, 7);
    let deck = common::deck("bench", &rates);
    look_ups(c, &deck, &rates);
    imports(c, &deck, &rates);
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(Cpu);
    targets = all
}
criterion_main!(benches);
