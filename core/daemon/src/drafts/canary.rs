//! Canaries outlive the process: a start takes up again what was wished, and one that was rolled back stays so.

use std::time::Duration;

use ringtrip_model::event::Event;
use ringtrip_routing::canary::{Rule, Share};

use super::Drafts;
use crate::config::Fault;
use crate::store::{CanarySettings, DraftRecord, StoreError};

/// How often it is looked whether the plugins are open, and how often at most.
const LOOK: Duration = Duration::from_millis(250);
const LOOKS: usize = 1200;

/// Settings as meaning.
///
/// # Errors
/// The settings name no extension and no valid share, or both, or an extension that is not valid.
pub fn share_and_rule(settings: &CanarySettings) -> Result<(Share, Rule), String> {
    let share = match (&settings.extension, settings.share) {
        (Some(extension), None) => {
            Share::Extension(extension.parse().map_err(|e| format!("extension {extension:?}: {e}"))?)
        }
        (None, Some(share @ 1..=50)) => Share::Percent(share),
        _ => return Err("name one extension, or a share of 1 to 50 of 100 calls".to_owned()),
    };
    let usual = Rule::default();
    let rule = Rule {
        window: settings
            .hours
            .map_or(usual.window, |h| Duration::from_secs(u64::from(h.clamp(1, 720)) * 3600)),
        least: settings.least.map_or(usual.least, |n| n.clamp(1, 1000) as usize),
        ..usual
    };
    Ok((share, rule))
}

impl Drafts {
    /// The canary of this draft is over: the next start does not begin it again.
    ///
    /// # Errors
    /// The record of the draft cannot be kept.
    pub async fn canary_over(&self, name: &str) -> Result<(), StoreError> {
        let _one = self.one_change().await;
        match self.store.draft(name).filter(|draft| draft.canary.is_some()) {
            Some(draft) => self.store.put_draft(DraftRecord { canary: None, ..draft }).await,
            None => Ok(()),
        }
    }

    /// Takes up the canary of an earlier run, once the plugins are open: its engine is made with them. What cannot be taken
    /// up is over, and reported.
    pub async fn resume_canary(self, tell: impl Fn(Event)) {
        let with_canary = |d: &DraftRecord| d.canary.is_some();
        if !self.store.drafts().iter().any(with_canary) {
            return;
        }
        for _ in 0..LOOKS {
            if !self.plugins_are_starting() {
                break;
            }
            actix_rt::time::sleep(LOOK).await;
        }
        for draft in self.store.drafts().into_iter().filter(with_canary) {
            let (drafts, record) = (self.clone(), draft.clone());
            let begun = actix_rt::task::spawn_blocking(move || drafts.begin_again(&record)).await;
            let Err(why) = begun.unwrap_or_else(|e| Err(e.to_string())) else { continue };
            let text = format!("the canary of draft {} could not be taken up again: {why}", draft.name);
            tell(Event::Alarm { what: "canary", text });
            if let Err(error) = self.canary_over(&draft.name).await {
                tracing::error!(%error, draft = draft.name, "the rollback of a canary could not be stored");
            }
        }
    }

    fn begin_again(&self, draft: &DraftRecord) -> Result<(), String> {
        let Some(settings) = &draft.canary else { return Ok(()) };
        let (share, rule) = share_and_rule(settings)?;
        let first = |faults: Vec<Fault>| faults.first().map_or_else(String::new, Fault::to_string);
        let built = self.build(draft).map_err(first)?;
        self.routes.start_canary(&draft.name, &built.active, share, rule).map_err(|e| e.to_string())
    }
}
