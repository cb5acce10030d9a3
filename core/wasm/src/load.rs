//! The one place with `unsafe`: compiled code becomes a component.
//!
//! Wasmtime runs what it deserializes without looking at it, so these octets must be exactly what its compiler wrote. What
//! makes that true is not here but in [`crate::cache`], the only caller. Either they came through a pipe from the compiler
//! program a moment ago. Or they come from a folder that only the daemon's user can enter, were read into memory once, and
//! carry a seal (HMAC-SHA-256 over settings, source and code) that was checked over that very memory. Nobody can change
//! them between the check and the use.
#![allow(unsafe_code)]

use wasmtime::Engine;
use wasmtime::component::Component;

/// Octets from the compiler, or whose seal was checked. Only [`crate::cache`] makes one.
pub(crate) struct Trusted<'a>(pub(crate) &'a [u8]);

/// A component from its compiled form.
pub(crate) fn component(engine: &Engine, code: &Trusted<'_>) -> wasmtime::Result<Component> {
    // SAFETY: `Component::deserialize` wants octets made by `Engine::precompile_component` (or `serialize`) and not
    // changed since. `Trusted` says so: see above. A mismatch of engine version or configuration is found by Wasmtime
    // itself and is an error.
    unsafe { Component::deserialize(engine, code.0) }
}
