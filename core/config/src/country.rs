//! Emergency numbers by country: numbers of ambulance, fire and police, exactly as dialled.
//!
//! Checked against the short-number metadata of libphonenumber 9.0.43: every number that it calls one of emergency, in
//! every region that it knows, is here, with these exceptions.
//! - Left out, because a telephone on a jack would call for help while an ordinary number is dialled: 001, 002 and 003 in
//!   Uzbekistan (00 begins international calls), 03 in Lithuania (037 is Kaunas), 2611 in India (an exchange of Delhi's)
//!   and 320221 in Micronesia (seven digits begin so).
//! - Here without it as a source, from general knowledge: 061, 062, 080, 091, 092 (Spain), 114, 196 (France),
//!   118 (Japan), 122 (China), 911 (Kenya), 112 (Nigeria, Singapore, Isle of Man, San Marino), 15, 17, 112 (Saint
//!   Barthélemy), 17, 18 (Mayotte), 911, 912 (Sint Maarten), 117, 18 (Guinea), and 112 for the European Union.
//!
//! The metadata does not tell services apart. The first number of a country is the one that a button for help calls
//! (`urn:service:sos`): 112, 911, 999 or the police, from general knowledge.

/// A country and its emergency numbers.
#[derive(Debug, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166-1 alpha-2, upper case; AC, EU and XK are reserved there for these uses.
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

    /// What is sent for one of its numbers. Mobile networks of North America know 112, landlines there do not: their
    /// service codes are 211 to 911.
    pub fn sent<'n>(&self, dialled: &'n str) -> &'n str {
        match (self.code, dialled) {
            ("US" | "CA", "112") => "911",
            _ => dialled,
        }
    }
}

macro_rules! countries {
    ($count:literal: $($code:literal $name:literal $($number:literal)+;)*) => {
        static COUNTRIES: [Country; $count] = [
            $(Country { code: $code, name: $name, numbers: &[$($number),+] },)*
        ];
    };
}

countries! { 242:
    "US" "United States" "911" "112";
    "GB" "United Kingdom" "999" "112";
    "AC" "Ascension Island" "911" "999";
    "AD" "Andorra" "112" "110" "116" "118";
    "AE" "United Arab Emirates" "112" "999" "997" "998";
    "AF" "Afghanistan" "119" "100" "102";
    "AG" "Antigua and Barbuda" "911" "999";
    "AI" "Anguilla" "911";
    "AL" "Albania" "112" "127" "128" "129";
    "AM" "Armenia" "102" "101" "103";
    "AO" "Angola" "112" "113" "115";
    "AR" "Argentina" "911" "100" "101" "107";
    "AS" "American Samoa" "911";
    "AT" "Austria" "112" "122" "133" "144";
    "AU" "Australia" "000" "112" "106";
    "AW" "Aruba" "911" "100";
    "AX" "Åland" "112";
    "AZ" "Azerbaijan" "112" "101" "102" "103";
    "BA" "Bosnia and Herzegovina" "122" "123" "124";
    "BB" "Barbados" "911" "211" "311" "511";
    "BD" "Bangladesh" "999" "100" "101" "102" "199";
    "BE" "Belgium" "112" "100" "101";
    "BF" "Burkina Faso" "17" "18";
    "BG" "Bulgaria" "112" "150" "160" "166";
    "BH" "Bahrain" "999" "199";
    "BI" "Burundi" "112" "113" "117";
    "BJ" "Benin" "112" "114" "116" "117" "118";
    "BL" "Saint Barthélemy" "112" "18" "15" "17";
    "BM" "Bermuda" "911";
    "BN" "Brunei" "993" "991" "995";
    "BO" "Bolivia" "110" "118" "119";
    "BQ" "Caribbean Netherlands" "112" "911";
    "BR" "Brazil" "190" "192" "193" "911" "112" "128";
    "BS" "Bahamas" "911" "919";
    "BT" "Bhutan" "112" "110" "113";
    "BW" "Botswana" "112" "911" "999" "111" "997" "998";
    "BY" "Belarus" "112" "101" "102" "103";
    "BZ" "Belize" "911" "90" "990";
    "CA" "Canada" "911" "112";
    "CC" "Cocos Islands" "000" "112";
    "CD" "DR Congo" "113" "114" "118" "177" "188";
    "CF" "Central African Republic" "117" "118" "1220";
    "CG" "Congo" "117" "118";
    "CH" "Switzerland" "112" "117" "118" "144";
    "CI" "Ivory Coast" "110" "111" "170" "180";
    "CK" "Cook Islands" "999" "996" "998";
    "CL" "Chile" "131" "132" "133" "911";
    "CM" "Cameroon" "17" "13" "113" "117";
    "CN" "China" "110" "119" "120" "122";
    "CO" "Colombia" "123" "112" "119" "132" "156";
    "CR" "Costa Rica" "112" "911";
    "CU" "Cuba" "106" "104" "105";
    "CV" "Cape Verde" "132" "130" "131";
    "CW" "Curaçao" "112" "911";
    "CX" "Christmas Island" "000" "112";
    "CY" "Cyprus" "112" "199";
    "CZ" "Czechia" "112" "150" "155" "156" "158" "151" "152" "153" "154" "157" "159";
    "DE" "Germany" "112" "110";
    "DJ" "Djibouti" "17" "18";
    "DK" "Denmark" "112" "114";
    "DM" "Dominica" "911" "999" "333";
    "DO" "Dominican Republic" "911" "112";
    "DZ" "Algeria" "17" "112" "14";
    "EC" "Ecuador" "911" "112" "101" "102";
    "EE" "Estonia" "112" "110";
    "EG" "Egypt" "122" "123" "180";
    "EH" "Western Sahara" "19" "15" "177";
    "ER" "Eritrea" "112" "113" "114" "116" "124422" "127799" "201606" "201917" "202099" "202914";
    "ES" "Spain" "112" "061" "080" "085" "091" "092" "062" "088";
    "ET" "Ethiopia" "911" "91" "92" "93" "939" "991" "997";
    "EU" "European Union" "112";
    "FI" "Finland" "112";
    "FJ" "Fiji" "911" "917";
    "FK" "Falkland Islands" "999";
    "FM" "Micronesia" "911";
    "FO" "Faroe Islands" "112" "114";
    "FR" "France" "112" "15" "17" "18" "114" "196";
    "GA" "Gabon" "1730" "18" "1300" "1301" "1302" "1303" "1304" "1305" "1306" "1307" "1308" "1309" "1310"
        "1311" "1312" "1313" "1314" "1315" "1316" "1317" "1318" "1319" "1320" "1321" "1322" "1323" "1324"
        "1325" "1326" "1327" "1328" "1329" "1330" "1331" "1332" "1333" "1334" "1335" "1336" "1337" "1338"
        "1339" "1340" "1341" "1342" "1343" "1344" "1345" "1346" "1347" "1348" "1349" "1350" "1351" "1352"
        "1353" "1354" "1355" "1356" "1357" "1358" "1359" "1360" "1361" "1362" "1363" "1364" "1365" "1366"
        "1367" "1368" "1369" "1370" "1371" "1372" "1373" "1374" "1375" "1376" "1377" "1378" "1379" "1380"
        "1381" "1382" "1383" "1384" "1385" "1386" "1387" "1388" "1389" "1390" "1391" "1392" "1393" "1394"
        "1395" "1396" "1397" "1398" "1399";
    "GD" "Grenada" "911";
    "GE" "Georgia" "112" "011" "022" "033" "111" "113" "122";
    "GF" "French Guiana" "17" "15" "18";
    "GG" "Guernsey" "112" "999";
    "GH" "Ghana" "191" "999" "192" "193";
    "GI" "Gibraltar" "112" "190" "199";
    "GL" "Greenland" "112";
    "GM" "Gambia" "17" "16" "18" "116" "117" "118";
    "GN" "Guinea" "117" "18";
    "GP" "Guadeloupe" "17" "15" "18";
    "GR" "Greece" "112" "100" "166" "199";
    "GT" "Guatemala" "110" "120" "123";
    "GU" "Guam" "911";
    "GW" "Guinea-Bissau" "113" "117" "118";
    "GY" "Guyana" "911" "912" "913";
    "HK" "Hong Kong" "999" "112" "992";
    "HN" "Honduras" "199";
    "HR" "Croatia" "112" "192" "193" "194" "93" "94";
    "HT" "Haiti" "114" "118";
    "HU" "Hungary" "112" "104" "105" "107";
    "ID" "Indonesia" "112" "110" "113" "118" "119";
    "IE" "Ireland" "112" "999";
    "IL" "Israel" "100" "101" "102" "112";
    "IM" "Isle of Man" "999" "112";
    "IN" "India" "112" "100" "101" "102" "108" "1298";
    "IQ" "Iraq" "104" "100" "115" "122";
    "IR" "Iran" "110" "112" "911" "115" "125";
    "IS" "Iceland" "112";
    "IT" "Italy" "112" "113" "115" "118";
    "JE" "Jersey" "112" "999";
    "JM" "Jamaica" "119" "112" "911" "110";
    "JO" "Jordan" "911" "112" "191" "192" "197";
    "JP" "Japan" "110" "118" "119";
    "KE" "Kenya" "999" "112" "911" "114";
    "KG" "Kyrgyzstan" "102" "101" "103";
    "KH" "Cambodia" "117" "118" "119" "666";
    "KI" "Kiribati" "192" "193" "194" "195" "992" "993" "994";
    "KM" "Comoros" "17" "18";
    "KN" "Saint Kitts and Nevis" "911" "999" "333";
    "KP" "North Korea" "112" "119" "819";
    "KR" "South Korea" "112" "119";
    "KW" "Kuwait" "112";
    "KY" "Cayman Islands" "911";
    "KZ" "Kazakhstan" "112" "101" "102" "103";
    "LA" "Laos" "191" "190" "195";
    "LB" "Lebanon" "112" "999" "140" "175";
    "LC" "Saint Lucia" "911" "999";
    "LI" "Liechtenstein" "112" "117" "118" "144";
    "LK" "Sri Lanka" "112" "110" "116" "118" "119";
    "LR" "Liberia" "911" "355";
    "LS" "Lesotho" "112" "115" "117";
    "LT" "Lithuania" "112" "01" "02" "011" "022" "033" "101" "102" "103";
    "LU" "Luxembourg" "112" "113";
    "LV" "Latvia" "112" "110" "113" "01" "02" "03";
    "LY" "Libya" "190" "191" "193";
    "MA" "Morocco" "19" "15" "177";
    "MC" "Monaco" "112" "15" "17" "18";
    "MD" "Moldova" "112" "901" "902" "903";
    "ME" "Montenegro" "112" "122" "123" "124";
    "MF" "Saint Martin" "17" "15" "18";
    "MG" "Madagascar" "17" "18" "117" "118";
    "MH" "Marshall Islands" "911";
    "MK" "North Macedonia" "112" "192" "193" "194";
    "ML" "Mali" "17" "15" "18";
    "MM" "Myanmar" "199";
    "MN" "Mongolia" "102" "100" "101" "103" "105";
    "MO" "Macao" "999";
    "MP" "Northern Mariana Islands" "911";
    "MQ" "Martinique" "112" "15" "17" "18";
    "MR" "Mauritania" "17" "18";
    "MS" "Montserrat" "911" "999";
    "MT" "Malta" "112";
    "MU" "Mauritius" "999" "114" "115" "995";
    "MV" "Maldives" "119" "102" "118";
    "MW" "Malawi" "999" "199" "997" "998";
    "MX" "Mexico" "911" "060" "065" "066" "068" "080";
    "MY" "Malaysia" "999" "112";
    "MZ" "Mozambique" "119" "117" "197" "198";
    "NA" "Namibia" "10111";
    "NC" "New Caledonia" "17" "15" "16" "18";
    "NE" "Niger" "17" "15" "18" "118" "723141";
    "NF" "Norfolk Island" "911" "955" "977";
    "NG" "Nigeria" "112" "199";
    "NI" "Nicaragua" "118" "115" "120" "128";
    "NL" "Netherlands" "112" "911";
    "NO" "Norway" "112" "110" "113";
    "NP" "Nepal" "112" "100" "101" "102" "103";
    "NR" "Nauru" "112" "110" "111";
    "NU" "Niue" "999";
    "NZ" "New Zealand" "111";
    "OM" "Oman" "9999" "1444";
    "PA" "Panama" "911";
    "PE" "Peru" "105" "116" "117";
    "PF" "French Polynesia" "17" "15" "18";
    "PG" "Papua New Guinea" "111" "000" "110";
    "PH" "Philippines" "911" "112" "117";
    "PK" "Pakistan" "15" "112" "16" "115" "1122";
    "PL" "Poland" "112" "997" "998" "999";
    "PM" "Saint Pierre and Miquelon" "17" "15" "18";
    "PR" "Puerto Rico" "911";
    "PS" "Palestine" "100" "101" "102";
    "PT" "Portugal" "112" "115";
    "PW" "Palau" "911";
    "PY" "Paraguay" "911" "128";
    "QA" "Qatar" "999";
    "RE" "Réunion" "112" "15" "17" "18";
    "RO" "Romania" "112";
    "RS" "Serbia" "112" "92" "93" "94";
    "RU" "Russia" "112" "101" "102" "103" "01" "02" "03";
    "RW" "Rwanda" "112" "111";
    "SA" "Saudi Arabia" "112" "911" "999" "997";
    "SB" "Solomon Islands" "999";
    "SC" "Seychelles" "999";
    "SD" "Sudan" "999";
    "SE" "Sweden" "112" "90000";
    "SG" "Singapore" "999" "995" "112" "993";
    "SH" "Saint Helena" "911" "999";
    "SI" "Slovenia" "112" "113";
    "SJ" "Svalbard and Jan Mayen" "112" "110" "113";
    "SK" "Slovakia" "112" "150" "155" "158";
    "SL" "Sierra Leone" "999" "019";
    "SM" "San Marino" "112" "113" "115" "118";
    "SN" "Senegal" "17" "18";
    "SO" "Somalia" "999" "555" "888";
    "SR" "Suriname" "115";
    "SS" "South Sudan" "999";
    "ST" "São Tomé and Príncipe" "112";
    "SV" "El Salvador" "911" "913";
    "SX" "Sint Maarten" "911" "919" "912";
    "SY" "Syria" "112" "110" "113";
    "SZ" "Eswatini" "999";
    "TC" "Turks and Caicos Islands" "911" "999";
    "TD" "Chad" "17" "18";
    "TG" "Togo" "117" "118" "171" "172" "177";
    "TH" "Thailand" "191" "199" "1669";
    "TJ" "Tajikistan" "112" "101" "102" "103";
    "TL" "Timor-Leste" "112" "115";
    "TM" "Turkmenistan" "02" "01" "03";
    "TN" "Tunisia" "197" "190" "198";
    "TO" "Tonga" "911" "999" "922" "933";
    "TR" "Türkiye" "112" "110" "155";
    "TT" "Trinidad and Tobago" "999" "990";
    "TV" "Tuvalu" "911";
    "TW" "Taiwan" "110" "119" "112";
    "TZ" "Tanzania" "112" "999" "110" "111" "114" "115";
    "UA" "Ukraine" "112" "101" "102" "103";
    "UG" "Uganda" "999";
    "UY" "Uruguay" "911" "128";
    "UZ" "Uzbekistan" "02" "01" "03" "050";
    "VA" "Vatican City" "112" "113" "115" "118";
    "VC" "Saint Vincent and Grenadines" "911" "999";
    "VE" "Venezuela" "911" "112" "171";
    "VG" "British Virgin Islands" "911" "999";
    "VI" "U.S. Virgin Islands" "911";
    "VN" "Vietnam" "113" "114" "115";
    "VU" "Vanuatu" "112";
    "WF" "Wallis and Futuna" "17" "15" "18";
    "WS" "Samoa" "911" "999" "994" "995" "996";
    "XK" "Kosovo" "112" "192" "193" "194";
    "YE" "Yemen" "199" "191" "194" "195";
    "YT" "Mayotte" "112" "15" "17" "18";
    "ZA" "South Africa" "112" "10111" "10177";
    "ZM" "Zambia" "112" "999" "991" "993";
    "ZW" "Zimbabwe" "112" "999" "993" "994" "995";
}
