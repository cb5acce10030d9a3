//! What the contract (`sdk/wit`) is in Rust. Both worlds share their types and their imports.

/// World `policy-plugin`.
pub mod policy_world {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit/0.1.0",
        world: "policy-plugin",
        imports: { default: trappable },
    });
}

/// World `gateway-plugin`.
pub mod gateway_world {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit/0.1.0",
        world: "gateway-plugin",
        imports: { default: trappable },
        with: {
            "ringtrip:plugin/types@0.1.0": super::policy_world::ringtrip::plugin::types,
            "ringtrip:plugin/host@0.1.0": super::policy_world::ringtrip::plugin::host,
            "ringtrip:plugin/clock@0.1.0": super::policy_world::ringtrip::plugin::clock,
            "ringtrip:plugin/store@0.1.0": super::policy_world::ringtrip::plugin::store,
            "ringtrip:plugin/http@0.1.0": super::policy_world::ringtrip::plugin::http,
            "ringtrip:plugin/dns@0.1.0": super::policy_world::ringtrip::plugin::dns,
        },
    });
}

pub use gateway_world::GatewayPluginPre;
pub use gateway_world::exports::ringtrip::plugin::gateway;
pub use policy_world::PolicyPluginPre;
pub use policy_world::exports::ringtrip::plugin::policy;
pub use policy_world::ringtrip::plugin::{clock, dns, host, http, store, types};
