//! The canary that runs, if one does: which calls a draft decides about, and what became of them. The rule is
//! [`ringtrip_routing::canary`]'s. The keeper of drafts takes it up again after a start, and learns when it is rolled back.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use ringtrip_config::Config;
use ringtrip_exchange::cdr::Cdr;
use ringtrip_exchange::emergency;
use ringtrip_exchange::route::RouteQuery;
use ringtrip_model::event::Event;
use ringtrip_model::party::Cause;
use ringtrip_routing::Engine;
use ringtrip_routing::canary::{Canary, Rule, Sample, Share, Side};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ActiveRouting, Routes};
use crate::control::ControlError;

/// At most one canary at a time: two would blame each other.
#[derive(Default)]
pub(super) struct Slot(Mutex<Option<Running>>);

struct Running {
    draft: String,
    engine: Arc<Engine>,
    canary: Canary,
    began_micros: i64,
}

/// A canary as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CanaryView {
    /// The draft.
    pub draft: String,
    /// `extension 201` or `10 %`.
    pub share: String,
    /// Since when, microseconds since 1970 UTC.
    pub began_micros: i64,
    /// Calls that it decided about and that have ended.
    pub canary: SideView,
    /// All other calls since then.
    pub rest: SideView,
    /// Calls needed on each side before anything is concluded.
    pub least: u64,
    /// Why it was rolled back; null while it runs.
    pub returned: Option<String>,
}

/// What the calls of one side came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SideView {
    /// Calls.
    pub calls: u64,
    /// Answered of 100.
    pub answered_percent: f64,
    /// From start to the answer, the middle one, ms; null if none was answered.
    pub delay_ms: Option<u64>,
    /// The mean price a minute, millionths of a unit; null where none is priced.
    pub per_minute_micros: Option<i64>,
}

impl Routes {
    /// Lets a draft decide about these calls. What runs beside routes (lines, providers, extensions) must be the same.
    ///
    /// # Errors
    /// The draft changes more than routes, the extension does not exist, or another draft has a canary.
    pub fn start_canary(
        &self,
        draft: &str,
        next: &ActiveRouting,
        share: Share,
        rule: Rule,
    ) -> Result<(), ControlError> {
        let config = self.engine().router().config().clone();
        if let Some(what) = beyond_routes(&config, next.engine.router().config()) {
            return Err(ControlError::Bad {
                what: format!("the draft changes {what}, which a canary cannot try beside what runs"),
                hint: format!("activate {what} first, by itself"),
            });
        }
        if let Share::Extension(id) = &share
            && config.extension(id.as_str()).is_none()
        {
            return Err(ControlError::Missing { what: "extension", name: id.to_string() });
        }
        let mut slot = self.slot();
        if let Some(other) = slot.as_ref().filter(|r| r.draft != draft && r.canary.over().is_none()) {
            return Err(ControlError::Busy(format!("draft {} is being tried; end that first", other.draft)));
        }
        let (draft, engine, canary) = (draft.to_owned(), next.engine.clone(), Canary::new(share, rule));
        let began_micros = crate::exchange::wall::now().unix_micros;
        *slot = Some(Running { draft, engine, canary, began_micros });
        Ok(())
    }

    /// Ends the canary of this draft. Calls in progress keep what they began with.
    pub fn end_canary(&self, draft: &str) -> bool {
        let mut slot = self.slot();
        let ours = slot.as_ref().is_some_and(|running| running.draft == draft);
        if ours {
            *slot = None;
        }
        ours
    }

    /// The canary, if there is one or was one until it was rolled back.
    pub fn canary(&self) -> Option<CanaryView> {
        self.slot().as_ref().map(Running::view)
    }

    /// The engine for a call that begins, and whether it is the canary's. Emergency calls are never in a canary.
    pub fn engine_for(&self, query: &RouteQuery) -> (Arc<Engine>, bool) {
        let live = self.engine();
        let slot = self.slot();
        let taken = slot.as_ref().filter(|running| {
            let config = live.router().config();
            running.canary.takes(query.call, &query.source)
                && emergency::begun(config, &query.source, query.asked, &query.caller, &query.dialled)
                    .is_none()
        });
        match taken {
            Some(running) => (running.engine.clone(), true),
            None => (live, false),
        }
    }

    /// A call ended. A canary that does worse is rolled back.
    pub fn call_ended(&self, cdr: &Cdr, canary: bool) {
        let Some(cause) = cdr.cause else { return };
        // What says nothing about routes: emergency, and callers who changed their mind.
        if cdr.emergency || (cause == Cause::Cancelled && cdr.answered_after.is_none()) {
            return;
        }
        let mut slot = self.slot();
        let Some(running) = slot.as_mut() else { return };
        let sample = Sample {
            canary,
            answered: cdr.answered_after.is_some(),
            delay: cdr.answered_after.map(std::time::Duration::from_micros),
            per_minute: cdr.quote.as_ref().map(|q| q.per_minute),
        };
        if let Some(why) = running.canary.on(Instant::now(), sample) {
            let draft = running.draft.clone();
            drop(slot);
            self.rolled_back(&draft, &why);
        }
    }

    /// Another configuration is active. A canary that was made beside other lines and providers is rolled back.
    pub(super) fn check_canary(&self, config: &Config) {
        let mut slot = self.slot();
        let Some(running) = slot.as_mut().filter(|r| r.canary.over().is_none()) else { return };
        let Some(what) = beyond_routes(config, running.engine.router().config()) else { return };
        let why = format!("{what} changed in the configuration");
        running.canary.roll_back(&why);
        let draft = running.draft.clone();
        drop(slot);
        self.rolled_back(&draft, &why);
    }

    /// Who hears that a canary was rolled back: the draft's name.
    pub fn on_roll_back(&self, notify: Box<dyn Fn(&str) + Send + Sync>) {
        *self.0.rolled_back.lock().unwrap_or_else(|e| e.into_inner()) = Some(notify);
    }

    fn rolled_back(&self, draft: &str, why: &str) {
        let text =
            format!("draft {draft} was rolled back: {why}; the active routing handles all calls again");
        (self.0.tell)(Event::Alarm { what: "canary", text });
        if let Some(notify) = &*self.0.rolled_back.lock().unwrap_or_else(|e| e.into_inner()) {
            notify(draft);
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Running>> {
        self.0.canary.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Running {
    fn view(&self) -> CanaryView {
        let (canary, rest) = self.canary.sides();
        CanaryView {
            draft: self.draft.clone(),
            share: match self.canary.share() {
                Share::Extension(id) => format!("extension {id}"),
                Share::Percent(n) => format!("{n} %"),
            },
            began_micros: self.began_micros,
            canary: SideView::from(&canary),
            rest: SideView::from(&rest),
            least: self.canary.rule().least as u64,
            returned: self.canary.over().map(str::to_owned),
        }
    }
}

impl From<&Side> for SideView {
    fn from(side: &Side) -> SideView {
        SideView {
            calls: side.calls as u64,
            answered_percent: f64::from(side.answered_permille) / 10.0,
            delay_ms: side.delay.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            per_minute_micros: side.per_minute,
        }
    }
}

/// What a draft changes beyond routes, in a word.
fn beyond_routes(live: &Config, draft: &Config) -> Option<&'static str> {
    let ids = |config: &Config| config.extensions.iter().map(|e| e.id.clone()).collect::<Vec<_>>();
    if live.gateways != draft.gateways || live.plugin_gateways != draft.plugin_gateways {
        return Some("providers");
    }
    if live.lines != draft.lines || live.boards != draft.boards {
        return Some("lines");
    }
    if ids(live) != ids(draft) {
        return Some("extensions");
    }
    if live.emergency != draft.emergency {
        return Some("emergency calls");
    }
    (live.sip != draft.sip).then_some("SIP")
}
