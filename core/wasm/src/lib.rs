//! Runs Wasm plugins: components with limits, signed packages, grants.

wasmtime::component::bindgen!({ path: "../../sdk/wit/0.1.0", world: "gateway-plugin" });
