//! Who somebody is and what they may: signing in.

pub mod oidc;

/// A path that no browser reads as another site: browsers take a backslash for
/// a slash, drop control characters, and read `//name` as a host.
pub(crate) fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}
