//! Is this caller on the list? Providers show one number in many ways.

/// Fewer digits than this are compared whole: extensions and short codes.
const ENOUGH: usize = 7;

/// Does an entry of the list name this caller? `01632*` names all that begin so; `+441632960123`, `00441632960123` and
/// `01632960123` name the same telephone.
pub fn matches(entry: &str, caller: &str) -> bool {
    let (entry, begins) = match entry.strip_suffix('*') {
        Some(start) => (plain(start), true),
        None => (plain(entry), false),
    };
    let caller = plain(caller);
    if entry.is_empty() || caller.is_empty() {
        return false;
    }
    if begins {
        return caller.starts_with(&entry);
    }
    let (entry, caller) = (core(&entry), core(&caller));
    let (long, short) = if entry.len() >= caller.len() { (entry, caller) } else { (caller, entry) };
    long == short || (short.len() >= ENOUGH && long.len() - short.len() <= 3 && long.ends_with(short))
}

/// Without blanks and signs; `+` becomes `00`.
fn plain(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if number.trim_start().starts_with('+') { format!("00{digits}") } else { digits }
}

/// Without the zeros that say how far it is: an exit code or a trunk prefix.
fn core(number: &str) -> &str {
    number.trim_start_matches('0')
}
