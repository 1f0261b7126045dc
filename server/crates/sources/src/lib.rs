//! Dialect detection and description of bill files.
