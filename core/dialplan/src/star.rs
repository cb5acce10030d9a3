//! The star codes that SPA adapters know by default (vertical service activation codes).

/// A star code and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StarCode {
    /// What is dialled.
    pub code: &'static str,
    /// The SPA parameter that holds it.
    pub parameter: &'static str,
}

/// The defaults of the SPA3102. A configuration lists those that it wants.
pub const SPA3102: &[StarCode] = &[
    StarCode { code: "*69", parameter: "Call_Return_Code" },
    StarCode { code: "*07", parameter: "Call_Redial_Code" },
    StarCode { code: "*98", parameter: "Blind_Transfer_Code" },
    StarCode { code: "*66", parameter: "Call_Back_Act_Code" },
    StarCode { code: "*86", parameter: "Call_Back_Deact_Code" },
    StarCode { code: "*05", parameter: "Call_Back_Busy_Act_Code" },
    StarCode { code: "*72", parameter: "Cfwd_All_Act_Code" },
    StarCode { code: "*73", parameter: "Cfwd_All_Deact_Code" },
    StarCode { code: "*90", parameter: "Cfwd_Busy_Act_Code" },
    StarCode { code: "*91", parameter: "Cfwd_Busy_Deact_Code" },
    StarCode { code: "*92", parameter: "Cfwd_No_Ans_Act_Code" },
    StarCode { code: "*93", parameter: "Cfwd_No_Ans_Deact_Code" },
    StarCode { code: "*63", parameter: "Cfwd_Last_Act_Code" },
    StarCode { code: "*83", parameter: "Cfwd_Last_Deact_Code" },
    StarCode { code: "*60", parameter: "Block_Last_Act_Code" },
    StarCode { code: "*80", parameter: "Block_Last_Deact_Code" },
    StarCode { code: "*64", parameter: "Accept_Last_Act_Code" },
    StarCode { code: "*84", parameter: "Accept_Last_Deact_Code" },
    StarCode { code: "*56", parameter: "CW_Act_Code" },
    StarCode { code: "*57", parameter: "CW_Deact_Code" },
    StarCode { code: "*71", parameter: "CW_Per_Call_Act_Code" },
    StarCode { code: "*70", parameter: "CW_Per_Call_Deact_Code" },
    StarCode { code: "*67", parameter: "Block_CID_Act_Code" },
    StarCode { code: "*68", parameter: "Block_CID_Deact_Code" },
    StarCode { code: "*81", parameter: "Block_CID_Per_Call_Act_Code" },
    StarCode { code: "*82", parameter: "Block_CID_Per_Call_Deact_Code" },
    StarCode { code: "*77", parameter: "Block_ANC_Act_Code" },
    StarCode { code: "*87", parameter: "Block_ANC_Deact_Code" },
    StarCode { code: "*78", parameter: "DND_Act_Code" },
    StarCode { code: "*79", parameter: "DND_Deact_Code" },
    StarCode { code: "*65", parameter: "CID_Act_Code" },
    StarCode { code: "*85", parameter: "CID_Deact_Code" },
    StarCode { code: "*25", parameter: "CWCID_Act_Code" },
    StarCode { code: "*45", parameter: "CWCID_Deact_Code" },
    StarCode { code: "*26", parameter: "Dist_Ring_Act_Code" },
    StarCode { code: "*46", parameter: "Dist_Ring_Deact_Code" },
    StarCode { code: "*74", parameter: "Speed_Dial_Act_Code" },
    StarCode { code: "*16", parameter: "Secure_All_Call_Act_Code" },
    StarCode { code: "*17", parameter: "Secure_No_Call_Act_Code" },
    StarCode { code: "*18", parameter: "Secure_One_Call_Act_Code" },
    StarCode { code: "*19", parameter: "Secure_One_Call_Deact_Code" },
    StarCode { code: "*99", parameter: "Modem_Line_Toggle_Code" },
    StarCode { code: "#99", parameter: "FAX_Line_Toggle_Code" },
    StarCode { code: "*03", parameter: "Media_Loopback_Code" },
    StarCode { code: "*017110", parameter: "Prefer_G711u_Code" },
    StarCode { code: "*027110", parameter: "Force_G711u_Code" },
    StarCode { code: "*017111", parameter: "Prefer_G711a_Code" },
    StarCode { code: "*027111", parameter: "Force_G711a_Code" },
];
