//! A module becomes a component: the description that the bindings left in it is read and becomes its face.

use wit_component::ComponentEncoder;

use crate::Error;

/// Wraps a core module into a component.
///
/// # Errors
/// The module is invalid, or carries no description of a component.
pub fn component(module: &[u8]) -> Result<Vec<u8>, Error> {
    let wrong = |e: &dyn std::fmt::Display| Error::Component(format!("{e:#}"));
    let mut encoder = ComponentEncoder::default().validate(true).module(module).map_err(|e| wrong(&e))?;
    encoder.encode().map_err(|e| wrong(&e))
}
