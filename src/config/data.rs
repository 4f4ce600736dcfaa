//! Where what is known is kept.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The word that stands for "nowhere".
const MEMORY: &str = "memory";

/// Where signals and what was learned are kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub enum DataConfig {
    /// Nowhere: a restart begins with nothing known.
    Memory,
    Folder(PathBuf),
}

impl Default for DataConfig {
    fn default() -> Self {
        DataConfig::Folder(PathBuf::from("plimsoll-data"))
    }
}

impl From<String> for DataConfig {
    fn from(text: String) -> Self {
        if text == MEMORY { DataConfig::Memory } else { DataConfig::Folder(text.into()) }
    }
}

impl From<DataConfig> for String {
    fn from(data: DataConfig) -> Self {
        data.to_string()
    }
}

impl fmt::Display for DataConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataConfig::Memory => f.write_str(MEMORY),
            DataConfig::Folder(folder) => write!(f, "{}", folder.display()),
        }
    }
}
