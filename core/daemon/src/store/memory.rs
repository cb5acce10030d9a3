//! What the store keeps in memory.

use std::collections::BTreeMap;
use std::path::Path;

use super::index::Index;
use super::journal::{self, Entry, Position};
use super::record::{ConfigMeta, ConfigVersion, Kind, SecretRecord, TokenRecord};
use super::{DraftRecord, StoreError, dir_of};

/// Small things kept in memory whole, so that they are there even when the index is not.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) configs: BTreeMap<u64, (ConfigMeta, Position)>,
    pub(super) tokens: BTreeMap<String, TokenRecord>,
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) drafts: BTreeMap<String, DraftRecord>,
    /// Versions that wait for the disk.
    pub(super) unsaved: BTreeMap<u64, ConfigVersion>,
}

impl Memory {
    pub(super) fn load(dir: &Path, index: &Index) -> Result<Memory, StoreError> {
        let mut memory = Memory::default();
        for prefix in [b'v', b't', b's', b'd'] {
            index.backwards(vec![prefix], vec![prefix + 1], |_, at| {
                if let Some(at) = at
                    && let Ok(entry) = journal::read_at(&dir_of(dir), at)
                {
                    memory.learn(at, &entry);
                }
                true
            })?;
        }
        Ok(memory)
    }

    /// The number of the newest version; 0 before the first.
    pub(super) fn head(&self) -> u64 {
        let kept = self.configs.last_key_value().map_or(0, |(v, _)| *v);
        self.unsaved.last_key_value().map_or(kept, |(v, _)| kept.max(*v))
    }

    pub(super) fn learn(&mut self, at: Position, entry: &Entry) {
        if entry.kind == Kind::Config {
            if let Ok(config) = serde_json::from_slice::<ConfigVersion>(&entry.payload) {
                self.unsaved.remove(&config.meta.version);
                self.configs.insert(config.meta.version, (config.meta, at));
            }
            return;
        }
        self.learn_unsaved(entry);
    }

    /// The same for a record that is not on the disk yet.
    pub(super) fn learn_unsaved(&mut self, entry: &Entry) {
        match entry.kind {
            Kind::Config => {
                if let Ok(config) = serde_json::from_slice::<ConfigVersion>(&entry.payload) {
                    self.unsaved.insert(config.meta.version, config);
                }
            }
            Kind::Token => {
                if let Ok(token) = serde_json::from_slice::<TokenRecord>(&entry.payload) {
                    self.tokens.insert(token.id.clone(), token);
                }
            }
            Kind::Secret => {
                if let Ok(secret) = serde_json::from_slice::<SecretRecord>(&entry.payload) {
                    self.secrets.insert(secret.name, secret.hash);
                }
            }
            Kind::Draft => {
                if let Ok(draft) = serde_json::from_slice::<DraftRecord>(&entry.payload) {
                    self.drafts.insert(draft.name.clone(), draft);
                }
            }
            Kind::Cdr | Kind::Boot => {}
        }
    }
}
