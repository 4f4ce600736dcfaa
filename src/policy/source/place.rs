//! From a byte of a string's value to its bytes in the file.
