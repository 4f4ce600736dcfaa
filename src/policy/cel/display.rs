//! The canonical one-line form of an expression.
