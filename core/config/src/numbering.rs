//! What a dialled number is as E.164, by the region's rules.

use crate::Region;
use ringtrip_model::party::Digits;

/// The numbering of the place where the box stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbering {
    /// Country code: `44`.
    pub country: String,
    /// Dialled before international numbers: `00`.
    pub international: String,
    /// Dialled before national numbers, and no part of them: `0`. Empty where there is none.
    pub trunk: String,
    /// The area's code without the trunk prefix, for numbers dialled without one: `1480`. Empty: such numbers are none.
    pub area: String,
    /// How many digits a number dialled without an area code has, least and most.
    pub local: (u8, u8),
}

/// The longest number of E.164, without `+`.
const LONGEST: usize = 15;
/// The shortest that can be one: country code and a few digits.
const SHORTEST: usize = 7;

impl Numbering {
    /// The numbering of a region, in no particular area.
    pub fn of(region: Region) -> Numbering {
        let (country, international, trunk) = match region {
            Region::Us => ("1", "011", "1"),
            Region::Uk => ("44", "00", "0"),
        };
        Numbering {
            country: country.to_owned(),
            international: international.to_owned(),
            trunk: trunk.to_owned(),
            area: String::new(),
            local: (5, 8),
        }
    }

    /// The number as E.164 with `+`; `None` for short codes, extensions and what has other keys than digits.
    pub fn e164(&self, number: &Digits) -> Option<String> {
        let number = number.as_str();
        let whole = |digits: String| {
            let fits = (SHORTEST..=LONGEST).contains(&digits.len());
            (fits && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()))
                .then(|| format!("+{digits}"))
        };
        if let Some(rest) = number.strip_prefix('+') {
            return whole(rest.to_owned());
        }
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        if let Some(rest) = number.strip_prefix(self.international.as_str()) {
            return whole(rest.to_owned());
        }
        if !self.trunk.is_empty()
            && let Some(rest) = number.strip_prefix(self.trunk.as_str())
        {
            return whole(format!("{}{rest}", self.country));
        }
        // North America dials ten digits without the 1 as well.
        if self.country == "1" && number.len() == 10 {
            return whole(format!("1{number}"));
        }
        let local = usize::from(self.local.0)..=usize::from(self.local.1);
        (!self.area.is_empty() && local.contains(&number.len()))
            .then(|| whole(format!("{}{}{number}", self.country, self.area)))
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_region() {
        let check = |region: Region, area: &str, dialled: &str, e164: Option<&str>| {
            let numbering = Numbering { area: area.to_owned(), ..Numbering::of(region) };
            assert_eq!(numbering.e164(&Digits::new(dialled)).as_deref(), e164, "{dialled} in {region:?}");
        };
        check(Region::Uk, "1480", "01480123123", Some("+441480123123"));
        check(Region::Uk, "1480", "123123", Some("+441480123123"));
        check(Region::Uk, "", "123123", None);
        check(Region::Uk, "", "0033123456789", Some("+33123456789"));
        check(Region::Uk, "", "+33123456789", Some("+33123456789"));
        check(Region::Uk, "", "101", None);
        check(Region::Uk, "", "*69", None);
        check(Region::Us, "", "2125551234", Some("+12125551234"));
        check(Region::Us, "", "12125551234", Some("+12125551234"));
        check(Region::Us, "", "011441480123123", Some("+441480123123"));
        check(Region::Us, "", "5551234", None);
        check(Region::Us, "212", "5551234", Some("+12125551234"));
        check(Region::Uk, "", "+0123456789", None);
    }
}
