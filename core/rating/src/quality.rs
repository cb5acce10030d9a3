//! What a gateway is like, learned from finished calls: how many are answered, how soon it rings, how it sounds.
//!
//! Kept per gateway, and per gateway and the first digits of the number. Old calls fade with a half-life, so that a
//! provider that was bad once is given another chance. A few calls do not decide: the group's figures begin as the
//! gateway's, the gateway's as an assumed ordinary provider's, each worth [`QualitySettings::prior`] calls.

mod emodel;

pub use emodel::{Impairments, Mos};

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::prefix::Prefix;
use crate::time::At;

/// Groups that are kept of one gateway; beyond that the one with the least calls goes.
const MOST_GROUPS: usize = 4_096;

/// How quality is learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualitySettings {
    /// How many first digits of a number make a group.
    pub digits: usize,
    /// After so many seconds a call counts half.
    pub half_life: u32,
    /// How many calls the assumption is worth.
    pub prior: f32,
    /// The assumption.
    pub assumed: QualityFigures,
}

/// What is known of a gateway, or of one of its groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualityFigures {
    /// Share of calls that were answered, 0 to 1. Busy and declined ones count as answered: the provider did its work.
    pub answered: f32,
    /// Seconds from the INVITE to the first sign of ringing.
    pub delay: f32,
    /// How it sounds, 1 to 4.5 (ITU-T G.107).
    pub mos: f32,
    /// How many calls the figures rest on, old ones counted less.
    pub calls: f32,
}

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered, or refused by the called party itself (busy, declined, no answer): the gateway got it there.
    Reached,
    /// The gateway failed: 5xx, timeout, wrong number claimed.
    Failed,
}

/// A call that is over, as quality sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FinishedCall {
    /// How it went.
    pub outcome: Outcome,
    /// Milliseconds from the INVITE to the first sign of ringing, if there was one.
    pub post_dial_delay: Option<u32>,
    /// What the network did to its sound, if there was sound enough to tell.
    pub impairments: Option<Impairments>,
}

/// One line of what is kept; plain values to be stored and given back.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityRow {
    /// The gateway.
    pub gateway: Arc<str>,
    /// The group; empty for the gateway as a whole.
    pub group: Prefix,
    /// When it was last counted, seconds since 1970.
    pub at: i64,
    /// Weighted number of calls, and how many of them got there.
    pub calls: [f32; 2],
    /// Weighted number of delays, and their sum in seconds.
    pub delays: [f32; 2],
    /// Weighted number of MOS values, and their sum.
    pub sounds: [f32; 2],
}

/// The memory.
#[derive(Debug, Clone, Default)]
pub struct Quality {
    settings: QualitySettings,
    gateways: BTreeMap<Arc<str>, Gateway>,
}

#[derive(Debug, Clone, Default)]
struct Gateway {
    whole: Learned,
    groups: BTreeMap<Prefix, Learned>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Learned {
    at: i64,
    calls: Mean,
    delays: Mean,
    sounds: Mean,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    weight: f32,
    sum: f32,
}

impl Default for QualitySettings {
    fn default() -> QualitySettings {
        QualitySettings {
            digits: 4,
            half_life: 86_400,
            prior: 20.0,
            assumed: QualityFigures { answered: 0.9, delay: 2.5, mos: 4.1, calls: 0.0 },
        }
    }
}

impl QualityFigures {
    /// One number from 0 to 1 to compare by: the answer ratio counts half, delay and sound a quarter each. Ten seconds
    /// of silence after dialling are as bad as can be; people hang up.
    pub fn score(&self) -> f32 {
        let delay = 1.0 - (self.delay / 10.0).clamp(0.0, 1.0);
        let sound = ((self.mos - 1.0) / 3.5).clamp(0.0, 1.0);
        0.5 * self.answered.clamp(0.0, 1.0) + 0.25 * delay + 0.25 * sound
    }
}

impl Quality {
    /// An empty memory.
    pub fn new(settings: QualitySettings) -> Quality {
        Quality { settings, gateways: BTreeMap::new() }
    }

    /// A call by this gateway is over.
    pub fn feed(&mut self, gateway: &str, number: &str, at: At, call: FinishedCall) {
        let group = Prefix::leading(number).first(self.settings.digits);
        let half_life = self.settings.half_life;
        if !self.gateways.contains_key(gateway) {
            self.gateways.insert(gateway.into(), Gateway::default());
        }
        let Some(known) = self.gateways.get_mut(gateway) else { return };
        known.whole.feed(at.unix, half_life, call);
        if group == Prefix::ALL {
            return;
        }
        if known.groups.len() >= MOST_GROUPS && !known.groups.contains_key(&group) {
            known.forget_one(at.unix, half_life);
        }
        known.groups.entry(group).or_default().feed(at.unix, half_life, call);
    }

    /// What is known of calls to this number by this gateway.
    pub fn figures(&self, gateway: &str, number: Prefix, at: At) -> QualityFigures {
        let QualitySettings { digits, half_life, prior, assumed } = self.settings;
        let Some(known) = self.gateways.get(gateway) else { return assumed };
        let whole = known.whole.figures(at.unix, half_life, prior, assumed);
        match known.groups.get(&number.first(digits)) {
            Some(group) => group.figures(at.unix, half_life, prior, whole),
            None => QualityFigures { calls: 0.0, ..whole },
        }
    }

    /// All that is known, to be stored.
    pub fn rows(&self) -> impl Iterator<Item = QualityRow> {
        self.gateways.iter().flat_map(|(name, gateway)| {
            std::iter::once((Prefix::ALL, &gateway.whole))
                .chain(gateway.groups.iter().map(|(p, l)| (*p, l)))
                .map(|(group, l)| QualityRow {
                    gateway: Arc::clone(name),
                    group,
                    at: l.at,
                    calls: [l.calls.weight, l.calls.sum],
                    delays: [l.delays.weight, l.delays.sum],
                    sounds: [l.sounds.weight, l.sounds.sum],
                })
        })
    }

    /// A memory from what was stored. Rows that no memory can have written (not finite, less than nothing) are left out.
    pub fn restored(settings: QualitySettings, rows: impl IntoIterator<Item = QualityRow>) -> Quality {
        let mut quality = Quality::new(settings);
        for row in rows {
            let numbers = row.calls.iter().chain(&row.delays).chain(&row.sounds);
            if !numbers.clone().all(|n| n.is_finite() && *n >= 0.0) || row.calls[1] > row.calls[0] {
                continue;
            }
            let mean = |[weight, sum]: [f32; 2]| Mean { weight, sum };
            let learned = Learned {
                at: row.at,
                calls: mean(row.calls),
                delays: mean(row.delays),
                sounds: mean(row.sounds),
            };
            let gateway = quality.gateways.entry(row.gateway).or_default();
            if row.group == Prefix::ALL {
                gateway.whole = learned;
            } else if gateway.groups.len() < MOST_GROUPS {
                gateway.groups.insert(row.group, learned);
            }
        }
        quality
    }

    /// Forgets gateways that are no more.
    pub fn keep(&mut self, is: impl Fn(&str) -> bool) {
        self.gateways.retain(|name, _| is(name));
    }
}

impl Gateway {
    fn forget_one(&mut self, now: i64, half_life: u32) {
        let weight = |l: &Learned| l.calls.weight * l.fade(now, half_life);
        let least = self.groups.iter().min_by(|a, b| weight(a.1).total_cmp(&weight(b.1))).map(|(p, _)| *p);
        if let Some(least) = least {
            self.groups.remove(&least);
        }
    }
}

impl Learned {
    /// How much of what was learned still counts. A clock that steps back fades nothing.
    fn fade(&self, now: i64, half_life: u32) -> f32 {
        let passed = now.saturating_sub(self.at).max(0) as f32;
        (-passed / half_life.max(1) as f32).exp2()
    }

    fn feed(&mut self, now: i64, half_life: u32, call: FinishedCall) {
        let fade = self.fade(now, half_life);
        for mean in [&mut self.calls, &mut self.delays, &mut self.sounds] {
            mean.weight *= fade;
            mean.sum *= fade;
        }
        self.at = self.at.max(now);
        self.calls.add(if call.outcome == Outcome::Reached { 1.0 } else { 0.0 });
        if let Some(ms) = call.post_dial_delay {
            // A minute is as long as forever; one absurd value must not outweigh a thousand.
            self.delays.add(ms.min(60_000) as f32 / 1000.0);
        }
        if let Some(impairments) = call.impairments {
            self.sounds.add(impairments.mos().0);
        }
    }

    fn figures(&self, now: i64, half_life: u32, prior: f32, assumed: QualityFigures) -> QualityFigures {
        let fade = self.fade(now, half_life);
        QualityFigures {
            answered: self.calls.with(fade, prior, assumed.answered),
            delay: self.delays.with(fade, prior, assumed.delay),
            mos: self.sounds.with(fade, prior, assumed.mos),
            calls: self.calls.weight * fade,
        }
    }
}

impl Mean {
    fn add(&mut self, value: f32) {
        self.weight += 1.0;
        self.sum += value;
    }

    fn with(&self, fade: f32, prior: f32, assumed: f32) -> f32 {
        let prior = prior.max(f32::MIN_POSITIVE);
        (self.sum * fade + assumed * prior) / (self.weight * fade + prior)
    }
}

#[cfg(test)]
mod tests;
