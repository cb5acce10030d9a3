//! What the compiler of Wasm plugins (`ringtrip-wasmc`) and their runtime (`ringtrip-wasm`, in the exchange) must agree
//! on: the settings that decide about machine code, and the command line between the two.
//!
//! The two programs are built apart, each with its own features of Wasmtime. Wasmtime itself refuses machine code of
//! another version, other settings or another processor.

#![warn(clippy::missing_errors_doc)]

use std::str::FromStr;

use wasmtime::Config;

/// How many addresses are reserved for the memory of one instance. Machine code for the one does not run with the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressSpace {
    /// 4 GiB: no memory access needs a check.
    Large,
    /// 256 MiB: for machines that do not have that many addresses.
    Small,
}

impl AddressSpace {
    /// Octets of addresses for each memory.
    pub fn reservation(self) -> u64 {
        match self {
            AddressSpace::Large => 4 << 30,
            AddressSpace::Small => 256 << 20,
        }
    }

    /// `large` or `small`: on the command line of the compiler and in the names of compiled files.
    pub fn word(self) -> &'static str {
        match self {
            AddressSpace::Large => "large",
            AddressSpace::Small => "small",
        }
    }
}

impl FromStr for AddressSpace {
    type Err = String;

    fn from_str(word: &str) -> Result<AddressSpace, String> {
        let all = [AddressSpace::Large, AddressSpace::Small];
        all.into_iter()
            .find(|space| space.word() == word)
            .ok_or_else(|| format!("invalid address space {word:?}: expected large or small"))
    }
}

/// The settings of Wasmtime that machine code depends on. The runtime adds its own: the pool, the stack.
pub fn config(space: AddressSpace) -> Config {
    let mut config = Config::new();
    config.memory_reservation(space.reservation()).memory_init_cow(true).epoch_interruption(true);
    config
}

/// How the compiler ends when the component is to blame, and not the compiler: its standard error says why.
pub const REFUSED: u8 = 3;

/// How it ends when its limit of memory is met and it hears of it; where it does not, it aborts.
pub const OUT_OF_MEMORY: u8 = 4;

/// What the compiler gets on its command line. It reads the component from standard input and writes the machine
/// code to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// For which runtime.
    pub space: AddressSpace,
    /// MiB of addresses that the compiler may use (`RLIMIT_AS`).
    pub memory: u64,
    /// Seconds of processor time that it may use, all threads together (`RLIMIT_CPU`).
    pub cpu: u64,
}

impl Request {
    /// The arguments, without the program's name.
    pub fn to_args(&self) -> [String; 3] {
        [self.space.word().to_owned(), self.memory.to_string(), self.cpu.to_string()]
    }

    /// # Errors
    ///
    /// A sentence that says which argument is wrong, or how many there must be.
    pub fn from_args(args: &[String]) -> Result<Request, String> {
        let [space, memory, cpu] = args else {
            return Err(
                "expected three arguments: large or small, MiB of memory, seconds of processor time".into()
            );
        };
        let number = |what: &str, text: &str| match text.parse::<u64>() {
            Ok(0) | Err(_) => Err(format!("invalid {what} {text:?}: expected a whole number above 0")),
            Ok(number) => Ok(number),
        };
        Ok(Request {
            space: space.parse()?,
            memory: number("MiB of memory", memory)?,
            cpu: number("seconds", cpu)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        for space in [AddressSpace::Large, AddressSpace::Small] {
            let request = Request { space, memory: 2048, cpu: 300 };
            assert_eq!(Request::from_args(&request.to_args()), Ok(request));
        }
        let wrong = |args: &[&str]| {
            Request::from_args(&args.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>()).unwrap_err()
        };
        assert!(wrong(&["large", "1"]).contains("three arguments"));
        assert!(wrong(&["huge", "1", "1"]).contains("\"huge\": expected large or small"));
        assert!(wrong(&["large", "0", "1"]).contains("MiB of memory \"0\""));
        assert!(wrong(&["large", "1", "soon"]).contains("seconds \"soon\""));
    }
}
