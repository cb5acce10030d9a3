//! An exchange that is built without plugins: drafts cannot hold any.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::files::Files;
use super::{Drafts, PartDiff};
use crate::config::Fault;
use crate::store::{Parts, PluginRecord};

type Records = BTreeMap<String, Option<PluginRecord>>;

const NONE: &str = "this exchange is built without plugins";

impl Drafts {
    pub(super) fn plugins_are_starting(&self) -> bool {
        false
    }

    pub(super) fn current_plugins(&self, of: &Records) -> Records {
        of.keys().map(|name| (name.clone(), None)).collect()
    }

    pub(super) fn keep_packages<'a>(&self, _: impl Iterator<Item = &'a String>) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn plugins_with_overrides(
        &self,
        _: &Parts,
    ) -> Result<Arc<dyn ringtrip_routing::Plugins>, Fault> {
        Err(Fault::elsewhere("plugins", NONE, "make a draft without plugins"))
    }

    pub(super) fn exchange_plugins(&self, to: &Parts, _: &str) -> Result<(), String> {
        if to.plugins.is_empty() { Ok(()) } else { Err(NONE.to_owned()) }
    }

    pub(super) fn plugin_diffs(&self, _: &Parts, _: &Parts) -> Vec<PartDiff> {
        Vec::new()
    }
}

pub(super) fn put_back(_: &Path, records: &Records, _: &Files) -> io::Result<()> {
    if records.is_empty() { Ok(()) } else { Err(io::Error::other(NONE)) }
}
