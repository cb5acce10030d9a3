//! The announcements that ship with the exchange, by name. A WAV file of the same name in the prompts folder takes the
//! place of one.

/// "Please enter your PIN."
pub const ENTER_PIN: &str = "enter-pin";
/// "That PIN is not correct."
pub const WRONG_PIN: &str = "wrong-pin";
/// "Please dial a number."
pub const ENTER_NUMBER: &str = "enter-number";
/// "This call is not allowed."
pub const NOT_ALLOWED: &str = "not-allowed";
/// "The money limit has been reached."
pub const TOO_EXPENSIVE: &str = "too-expensive";
/// "The money limit is nearly reached."
pub const LIMIT_NEAR: &str = "limit-near";
/// "We are closed at the moment."
pub const CLOSED: &str = "closed";
/// "Your call cannot be completed."
pub const CANNOT_COMPLETE: &str = "cannot-complete";
/// "All lines are busy."
pub const CONGESTION: &str = "congestion";

/// All of them.
pub const ALL: [&str; 9] = [
    ENTER_PIN,
    WRONG_PIN,
    ENTER_NUMBER,
    NOT_ALLOWED,
    TOO_EXPENSIVE,
    LIMIT_NEAR,
    CLOSED,
    CANNOT_COMPLETE,
    CONGESTION,
];
