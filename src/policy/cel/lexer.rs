//! Tokens of CEL.

pub(super) const KEYWORDS: [&str; 4] = ["true", "false", "null", "in"];

/// Words that CEL keeps for its host languages (CEL specification, "Syntax").
pub(super) const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];
