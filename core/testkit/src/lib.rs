//! A whole exchange in virtual time: the same machines that the daemon hosts, phones and providers around them, a
//! network that loses and reorders, and a ladder that writes down what was said. Same seed, same ladder.
//!
//! ```no_run
//! use ringtrip_testkit::World;
//! let mut world = World::demo(1);
//! world.phone("201").register();
//! world.run(1_000);
//! ```

mod audio;
pub mod jack;
pub mod live;
mod media;
mod net;
pub mod netns;
pub mod peers;
mod phone;
pub mod publisher;
pub mod rtp;
pub mod sound;
pub mod ua;
pub mod watch;
mod world;

pub use net::Weather;
pub use phone::{Manners, Phone};
pub use world::{Wire, World};

/// Compares a ladder with the one in `tests/ladders/<name>.txt`; `UPDATE_EXPECT=1` writes it anew.
#[track_caller]
pub fn expect(name: &str, ladder: &str) {
    let path = format!("{}/../../tests/ladders/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, ladder).expect("the ladders folder can be written");
        return;
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        want == ladder,
        "{path} says\n{want}\nbut this happened:\n{ladder}\nIf that is right, run again with UPDATE_EXPECT=1."
    );
}
