//! Boards: which driver a board needs, and the settings of the driver.

use ringtrip_model::ids::BoardId;

/// A board with telephone jacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// The name that lines use in `port`.
    pub id: BoardId,
    /// The driver: a name (`virtual` is `libringtrip_driver_virtual.so` in the folder of drivers) or the path of a file.
    pub driver: String,
    /// The driver's own configuration, a JSON object; `None`: numbers of ports and the region, worked out from the lines.
    pub settings: Option<String>,
}
