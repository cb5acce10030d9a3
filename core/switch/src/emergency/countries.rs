//! Emergency numbers by country: voice numbers of ambulance, fire and police, exactly as dialled. National plans
//! are public facts (ITU-T E.161.1 recommends 112 and 911; each country's regulator assigns its own).

/// A country and its emergency numbers.
#[derive(Debug, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166-1 alpha-2, upper case.
    pub code: &'static str,
    /// Its English name.
    pub name: &'static str,
    /// Its emergency numbers.
    pub numbers: &'static [&'static str],
}

impl Country {
    /// United States.
    pub const US: &'static Country = &COUNTRIES[0];
    /// United Kingdom.
    pub const GB: &'static Country = &COUNTRIES[1];

    /// The country with this code, in any case.
    pub fn of(code: &str) -> Option<&'static Country> {
        // People write UK; the standard's code is GB.
        let code = if code.eq_ignore_ascii_case("UK") { "GB" } else { code };
        COUNTRIES.iter().find(|c| c.code.eq_ignore_ascii_case(code))
    }

    /// All countries in the table.
    pub fn all() -> &'static [Country] {
        &COUNTRIES
    }
}

macro_rules! countries {
    ($count:literal: $($code:literal $name:literal $($number:literal)+;)*) => {
        static COUNTRIES: [Country; $count] = [
            $(Country { code: $code, name: $name, numbers: &[$($number),+] },)*
        ];
    };
}

countries! { 60:
    "US" "United States" "911";
    "GB" "United Kingdom" "999" "112";
    "AR" "Argentina" "911" "100" "101" "107";
    "AT" "Austria" "112" "122" "133" "144";
    "AU" "Australia" "000" "112" "106";
    "BE" "Belgium" "112" "100" "101";
    "BG" "Bulgaria" "112";
    "BR" "Brazil" "190" "192" "193" "911" "112";
    "CA" "Canada" "911";
    "CH" "Switzerland" "112" "117" "118" "144";
    "CL" "Chile" "131" "132" "133";
    "CN" "China" "110" "119" "120" "122";
    "CO" "Colombia" "123" "112";
    "CY" "Cyprus" "112" "199";
    "CZ" "Czechia" "112" "150" "155" "156" "158";
    "DE" "Germany" "112" "110";
    "DK" "Denmark" "112";
    "EE" "Estonia" "112";
    "EG" "Egypt" "122" "123" "180";
    "ES" "Spain" "112" "061" "080" "085" "091" "092" "062";
    "EU" "European Union" "112";
    "FI" "Finland" "112";
    "FR" "France" "112" "15" "17" "18" "114" "196";
    "GR" "Greece" "112" "100" "166" "199";
    "HK" "Hong Kong" "999" "112";
    "HR" "Croatia" "112" "192" "193" "194";
    "HU" "Hungary" "112" "104" "105" "107";
    "ID" "Indonesia" "112" "110" "113" "118" "119";
    "IE" "Ireland" "112" "999";
    "IL" "Israel" "100" "101" "102" "112";
    "IN" "India" "112" "100" "101" "102" "108";
    "IS" "Iceland" "112";
    "IT" "Italy" "112" "113" "115" "118";
    "JP" "Japan" "110" "118" "119";
    "KE" "Kenya" "999" "112" "911";
    "KR" "South Korea" "112" "119";
    "LT" "Lithuania" "112";
    "LU" "Luxembourg" "112" "113";
    "LV" "Latvia" "112" "110" "113";
    "MT" "Malta" "112";
    "MX" "Mexico" "911";
    "MY" "Malaysia" "999" "112";
    "NG" "Nigeria" "112" "199";
    "NL" "Netherlands" "112";
    "NO" "Norway" "112" "110" "113";
    "NZ" "New Zealand" "111";
    "PH" "Philippines" "911";
    "PL" "Poland" "112" "997" "998" "999";
    "PT" "Portugal" "112";
    "RO" "Romania" "112";
    "RU" "Russia" "112" "101" "102" "103";
    "SE" "Sweden" "112";
    "SG" "Singapore" "999" "995" "112";
    "SI" "Slovenia" "112" "113";
    "SK" "Slovakia" "112" "150" "155" "158";
    "TH" "Thailand" "191" "199" "1669";
    "TR" "Türkiye" "112";
    "TW" "Taiwan" "110" "119" "112";
    "UA" "Ukraine" "112" "101" "102" "103";
    "ZA" "South Africa" "112" "10111" "10177";
}
