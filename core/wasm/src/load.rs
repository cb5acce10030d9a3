//! The one place with `unsafe`: compiled code from the cache becomes a component.
//!
//! Wasmtime runs what it deserializes without looking at it, so these octets must be exactly what it wrote itself. What
//! makes that true is not here but in [`crate::cache`], the only caller: the octets come from a folder that only the
//! daemon's user can enter, were read into memory once, and carry a seal (HMAC-SHA-256 over engine, source and code)
//! that was checked over that very memory. Nobody can change them between the check and the use.
#![allow(unsafe_code)]

use wasmtime::Engine;
use wasmtime::component::Component;

/// Octets whose seal was checked. Only [`crate::cache`] makes one.
pub(crate) struct Sealed<'a>(pub(crate) &'a [u8]);

/// A component from its compiled form.
pub(crate) fn component(engine: &Engine, code: &Sealed<'_>) -> wasmtime::Result<Component> {
    // SAFETY: `Component::deserialize` wants octets made by `Engine::precompile_component` (or `serialize`) and not
    // changed since. `Sealed` says so: see above. A mismatch of engine version or configuration is found by Wasmtime
    // itself and is an error.
    unsafe { Component::deserialize(engine, code.0) }
}
