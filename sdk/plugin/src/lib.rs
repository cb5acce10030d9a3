//! What a Wasm plugin is written with: the words of `sdk/wit`, as plain Rust.
//!
//! A plugin is one of two things. A [`Policy`] is asked where a call should go. A [`Gateway`] is a provider: it says
//! how a call is placed there, and what that costs. Every method has a default, so a plugin writes only what it knows.
//!
//! ```
//! use ringtrip_plugin::{Answer, Call, Policy};
//!
//! struct NightDesk;
//!
//! impl Policy for NightDesk {
//!     fn route(call: &Call) -> Answer {
//!         if call.at.hour < 7 {
//!             return Answer::to("201").because("the night desk answers before seven");
//!         }
//!         Answer::pass()
//!     }
//! }
//!
//! ringtrip_plugin::export_policy!(NightDesk);
//! ```
//!
//! A plugin has no state: every decision gets a fresh instance. What must last goes into [`store`]. It cannot open
//! files or sockets, and sees nothing but the call, its settings and what it was granted.
//!
//! The same code compiles for the machine that it is written on; [`fake::Fake`] then plays the exchange, so that
//! the plugin's tests are ordinary `cargo test`.

#![warn(clippy::missing_errors_doc)]

mod call;
mod gateway;
mod number;
mod policy;
mod steps;

pub mod host;

#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;

pub use call::{Call, CallerId, Origin, WallTime};
pub use gateway::{Carrier, Condition, Credentials, Gateway, Money, Prepared, Price};
pub use host::{clock, dns, http, log, settings, store};
pub use number::E164;
pub use policy::{Answer, Policy, Stage, Target, Verdict};
pub use steps::{BadSequence, Step, Steps};

/// Makes a type the plugin's policy. Once in a crate; on the host it only checks the type.
#[macro_export]
macro_rules! export_policy {
    ($plugin:ty) => {
        const _: () = {
            const fn is_a_policy<P: $crate::Policy>() {}
            is_a_policy::<$plugin>();
        };
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Exported;
            $crate::__policy!(Exported, $plugin);
        };
    };
}

/// Makes a type the plugin's gateway. Once in a crate; on the host it only checks the type.
#[macro_export]
macro_rules! export_gateway {
    ($plugin:ty) => {
        const _: () = {
            const fn is_a_gateway<G: $crate::Gateway>() {}
            is_a_gateway::<$plugin>();
        };
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Exported;
            $crate::__gateway!(Exported, $plugin);
        };
    };
}

#[cfg(test)]
mod tests;
