//! One heading: its words, and the column that they name.

use super::{Column, Flag, Scale, When};

/// A heading, in lower case, cut into words.
pub(super) struct Heading {
    /// As it stands.
    pub text: String,
    words: Vec<String>,
    joined: String,
}

const PRICE: &[&str] = &[
    "rate",
    "rates",
    "price",
    "prices",
    "cost",
    "costs",
    "tariff",
    "charge",
    "charges",
    "ppm",
    "cpm",
    "preis",
    "prix",
    "tarif",
    "precio",
    "tarifa",
    "prezzo",
    "prijs",
    "cena",
    "pris",
    "amount",
    "minutenpreis",
];

/// Prices that no call is billed by, or that come on top of the one that it is.
const NO_PRICE: &[&str] = &[
    "surcharge",
    "surcharges",
    "zuschlag",
    "supplement",
    "supplément",
    "recargo",
    "internal",
    "intern",
    "interno",
    "margin",
    "markup",
    "profit",
    "discount",
    "rabatt",
    "tax",
    "vat",
    "mwst",
    "percent",
    "difference",
    "delta",
    "variation",
    "increase",
    "decrease",
    "disconnect",
    "disconnectcharge",
    "max",
    "maximum",
    "change",
    "changes",
    "iso",
    "sms",
    "mms",
    "monthly",
];

/// A heading that begins with a word for a price and goes on with one of these is none: `rate_id`, `rateplan`.
const NO_PRICE_BEHIND: &[&str] = &[
    "id", "name", "type", "code", "plan", "group", "sheet", "date", "status", "class", "center", "centre",
    "list", "deck",
];

impl Heading {
    /// Cuts a heading: `PricePerMinute`, `price_per_minute` and `Price (per minute)` have the same words.
    pub fn of(heading: &str) -> Heading {
        let mut text = String::with_capacity(heading.len() + 8);
        let mut small_before = false;
        for c in heading.trim().chars() {
            if c.is_uppercase() && small_before {
                text.push(' ');
            }
            small_before = c.is_lowercase();
            if c.is_alphanumeric() { text.extend(c.to_lowercase()) } else { text.push(' ') }
        }
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let joined = words.concat();
        Heading { text: heading.trim().to_owned(), words, joined }
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }

    fn any(&self, list: &[&str]) -> bool {
        list.iter().any(|w| self.has(w))
    }

    fn part(&self, list: &[&str]) -> bool {
        list.iter().any(|w| self.joined.contains(w))
    }

    fn is_price(&self) -> bool {
        // `rateinitial`, `sellrate`: databases write words together.
        let glued = || {
            self.words.iter().any(|w| {
                let before = [
                    "sell", "call", "voice", "min", "minute", "usd", "eur", "gbp", "retail", "new", "old",
                    "current",
                ];
                ["rate", "price", "tariff"].iter().any(|p| {
                    w.strip_prefix(p).is_some_and(|rest| !rest.is_empty() && !NO_PRICE_BEHIND.contains(&rest))
                        || w.strip_suffix(p).is_some_and(|rest| before.contains(&rest))
                })
            })
        };
        self.any(PRICE) || self.part(&["permin", "pricemin", "ratemin"]) || glued()
    }

    fn is_old(&self) -> bool {
        self.any(&["old", "previous", "prev", "prior", "former", "alt", "ancien", "oldrate", "oldprice"])
    }

    /// The price of today, where another one stands beside it.
    pub fn is_current(&self) -> bool {
        self.any(&["current", "present", "existing", "aktuell", "currentrate", "currentprice", "actual"])
    }

    /// A price for calls from certain places only: within a state, between states.
    pub fn has_origin(&self) -> bool {
        self.part(&["interstate", "intrastate", "indeterminate"])
            || self.any(&["inter", "intra", "indet", "undetermined"])
    }

    /// A North American exchange, behind its area code.
    pub fn is_exchange(&self) -> bool {
        self.has("nxx")
    }

    /// How clearly a heading says that the price of a minute stands below it.
    pub fn clarity(&self) -> u8 {
        let per_minute = self.part(&["permin", "pricemin", "ratemin", "minutenpreis"])
            || self.any(&["ppm", "cpm", "min", "minute", "pm"]);
        match () {
            () if self.any(&["new", "newrate", "newprice", "neu", "neuer", "nouveau", "nuevo", "nuovo"]) => {
                60
            }
            () if self.is_current() => 20,
            () if self.any(&[
                "buy",
                "buying",
                "purchase",
                "wholesale",
                "supplier",
                "our",
                "net",
                "list",
                "suggested",
            ]) =>
            {
                15
            }
            () if self.scale() == Scale::Second => 35,
            () if per_minute => 50,
            () if self.any(&["cost", "costs", "charge", "charges", "amount"]) => 30,
            () => 40,
        }
    }

    fn scale(&self) -> Scale {
        if self.any(&["cent", "cents", "ct", "cts", "pence", "ppm", "p", "cpm"]) {
            Scale::Hundredth
        } else if self.part(&["persec", "ratesec", "pricesec"]) {
            Scale::Second
        } else {
            Scale::Unit
        }
    }

    fn when(&self, price: bool) -> When {
        if self.part(&["offpeak", "evening", "nebenzeit", "economy"]) || self.has("night") {
            When::OffPeak
        } else if self.part(&["weekend", "wochenende"]) {
            When::Weekend
        } else if self.part(&["peak", "daytime", "hauptzeit"]) || self.has("day") && price {
            When::Peak
        } else {
            When::Always
        }
    }

    /// What stands below the heading; `None`: its words are not known.
    pub fn column(&self) -> Option<Column> {
        if self.joined.is_empty() || self.joined.chars().count() > 60 {
            return None;
        }
        let price = self.is_price();
        if self.any(NO_PRICE) && (price || self.any(&["iso", "change", "changes"]) || self.words.len() == 1) {
            return Some(Column::Ignored);
        }
        let scale = self.scale();
        if self.is_old() {
            return Some(if price { Column::Before(scale) } else { Column::Ignored });
        }
        let when = self.when(price);
        self.date()
            .or_else(|| self.sale(price))
            .or_else(|| self.billing())
            .or_else(|| self.fee(price, scale))
            .or_else(|| self.place(price))
            .or_else(|| {
                let priced = price || when != When::Always || self.any(&["minute", "min", "pm"]);
                priced.then_some(Column::Price(when, scale))
            })
    }

    fn date(&self) -> Option<Column> {
        const UNTIL: &[&str] =
            &["validuntil", "validto", "effectiveto", "effectiveuntil", "effectivetill", "enddate", "expir"];
        const FROM: &[&str] =
            &["effective", "validfrom", "startdate", "activation", "gueltigab", "gültigab", "inkraft"];
        if self.part(UNTIL) || self.any(&["until", "expires", "expiry", "end", "bis"]) {
            return Some(Column::Until);
        }
        if self.part(FROM) && !self.is_price()
            || self.any(&["date", "from", "datum", "fecha", "start", "begin", "ab"])
        {
            return Some(Column::From);
        }
        (self.part(&["currency", "waehrung", "währung", "devise", "moneda", "valuta"])
            || self.any(&["ccy", "cur"]))
        .then_some(Column::Currency)
    }

    /// Whether the row is for sale at all.
    fn sale(&self, price: bool) -> Option<Column> {
        const BARRED: &[&str] = &[
            "forbidden",
            "discontinued",
            "discontinue",
            "blocked",
            "barred",
            "disabled",
            "disable",
            "reject",
            "rejected",
            "rejects",
            "deleted",
            "suspended",
            "closed",
            "denied",
            "deny",
            "prohibited",
            "inactive",
            "unavailable",
            "excluded",
            "terminated",
            "withdrawn",
            "unsupported",
            "gesperrt",
            "sperre",
            "bloqueado",
            "bloqué",
            "bloque",
            "interdit",
            "bloccato",
            "notforsale",
            "isblocked",
            "isdisabled",
            "isdeleted",
            "iscallsblocked",
        ];
        const SOLD: &[&str] = &[
            "enabled",
            "enable",
            "active",
            "aktiv",
            "actif",
            "activo",
            "available",
            "allowed",
            "permitted",
            "sellable",
            "offered",
            "supported",
            "callable",
            "routable",
            "reachable",
            "freigeschaltet",
            "isactive",
            "isenabled",
            "forsale",
        ];
        const SAID: &[&str] = &[
            "status",
            "state",
            "availability",
            "remark",
            "remarks",
            "comment",
            "comments",
            "note",
            "notes",
            "action",
            "estado",
        ];
        let sold = self.any(SOLD) || self.part(&["forsale", "onsale"]);
        match () {
            () if price && self.has("status") => Some(Column::Sale(Flag::Said)),
            () if self.any(BARRED) || sold && self.any(&["not", "no", "un"]) => {
                Some(Column::Sale(Flag::Barred))
            }
            () if price => None,
            () if sold => Some(Column::Sale(Flag::Sold)),
            () if self.any(SAID) => Some(Column::Sale(Flag::Said)),
            () => None,
        }
    }

    fn billing(&self) -> Option<Column> {
        const FIRST: &[&str] =
            &["first", "initial", "initialize", "minimum", "minimal", "min", "init", "erster"];
        const NEXT: &[&str] = &[
            "next",
            "subsequent",
            "second",
            "additional",
            "n",
            "following",
            "recurring",
            "further",
            "sub",
            "repeat",
            "incremental",
            "later",
            "folgende",
        ];
        let stepped =
            self.part(&["increment", "interval", "pulse", "billing", "takt", "rounding", "granularity"])
                || self.any(&["step", "steps", "block", "blocks"])
                || self.part(&["initblock", "blocksize"]);
        if stepped {
            // Databases write words together: `initblock`, `billingblock`, `firstinterval`.
            let begins = |list: &[&str]| list.iter().any(|w| w.len() > 3 && self.joined.starts_with(w));
            return Some(match () {
                () if self.any(FIRST) || begins(FIRST) => Column::First,
                () if self.any(NEXT)
                    || begins(NEXT)
                    || self.joined.ends_with('n') && self.part(&["intervaln"]) =>
                {
                    Column::Next
                }
                () if self.joined.ends_with('1') => Column::First,
                () if self.joined.ends_with('2') => Column::Next,
                () => Column::Steps,
            });
        }
        // `First` beside `Next`, as many switches export them.
        match () {
            () if self.is_step(&["first", "initial"]) => Some(Column::First),
            () if self.is_step(&["next", "subsequent", "following", "additional", "recurring"]) => {
                Some(Column::Next)
            }
            () => None,
        }
    }

    fn fee(&self, price: bool, scale: Scale) -> Option<Column> {
        const CONNECTION: &[&str] = &[
            "connect",
            "setup",
            "callfee",
            "flagfall",
            "accessfee",
            "verbindungsentgelt",
            "callcharge",
            "startcharge",
            "percall",
        ];
        const MINIMUM: &[&str] = &["minimum", "minimal", "mindest"];
        if self.part(CONNECTION) {
            return Some(Column::Connection(if scale == Scale::Second { Scale::Unit } else { scale }));
        }
        let first_is_min = self.words.first().is_some_and(|w| w == "min");
        if (self.any(MINIMUM) || self.part(&["mindest", "minimal"]) || first_is_min)
            && !self.part(&["permin"])
        {
            return Some(match () {
                () if self.part(&["sec", "duration", "time", "length", "dauer"]) => Column::MinimumSeconds,
                () if price || self.has("fee") => Column::MinimumCharge(scale),
                () => Column::Minimum,
            });
        }
        None
    }

    fn place(&self, price: bool) -> Option<Column> {
        const PREFIX: &[&str] = &[
            "prefix",
            "dialcode",
            "dialingcode",
            "diallingcode",
            "dialedcode",
            "areacode",
            "citycode",
            "breakout",
            "vorwahl",
            "rufnummer",
            "indicatif",
            "prefijo",
            "prefisso",
            "numberrange",
            "dialstring",
            "dialpattern",
        ];
        const CODE: &[&str] =
            &["code", "codes", "dial", "pattern", "digits", "lata", "kennzahl", "netnummer"];
        const DESTINATION: &[&str] = &[
            "destination",
            "description",
            "bezeichnung",
            "libelle",
            "libellé",
            "location",
            "carrier",
            "ziel",
            "destino",
        ];
        const NAME: &[&str] = &[
            "name",
            "description",
            "destination",
            "desc",
            "zone",
            "region",
            "operator",
            "network",
            "route",
            "area",
        ];
        match () {
            () if self.part(&["timeclass", "timeofday", "timeband", "timeperiod"])
                || self.any(&["hours", "zeiten"]) =>
            {
                Some(Column::Hours)
            }
            () if self.part(&["npanxx"]) => Some(Column::NorthAmerica),
            () if self.any(&["id", "type", "plan", "list", "class", "level", "offer", "package"]) => {
                Some(Column::Ignored)
            }
            () if price && self.any(&["code", "sheet", "deck", "group"]) => Some(Column::Ignored),
            () if self.part(&["countrycode", "landesvorwahl", "countryprefix", "countrydial"])
                || self.joined == "cc" =>
            {
                Some(Column::CountryCode)
            }
            () if self.any(&["npa"]) => Some(Column::AreaCode),
            () if self.any(&["nxx"]) => Some(Column::Prefix),
            () if self.part(PREFIX) || self.any(CODE) && !price => Some(Column::Prefix),
            () if self.any(&["country", "land", "pays", "pais", "país", "paese", "staat"]) => {
                Some(Column::Country)
            }
            () if self.any(NAME) || self.part(DESTINATION) => Some(Column::Destination),
            () => None,
        }
    }

    /// One of these words, and beside it nothing but a unit.
    fn is_step(&self, names: &[&str]) -> bool {
        let unit =
            |w: &String| matches!(w.as_str(), "s" | "sec" | "secs" | "seconds" | "period" | "block" | "unit");
        self.words
            .split_first()
            .is_some_and(|(first, rest)| names.contains(&first.as_str()) && rest.iter().all(unit))
    }
}
