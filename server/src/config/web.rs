//! How the web server is reached: its address for others, TLS, proxies, limits.

use super::{Origin, Setting, Shown};
use crate::error::AppError;
use ipnet::IpNet;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use url::Url;

/// Requests a second of one caller unless told otherwise.
const REQUESTS_PER_S: u32 = 200;

/// The part of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebFile {
    public_url: Option<String>,
    tls_certificate_file: Option<PathBuf>,
    tls_key_file: Option<PathBuf>,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    requests_per_s: Option<u32>,
}

/// Certificate and key of the server itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates, PEM, its own first.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

/// How the web server is reached.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// The address people and programs use; `None` on loopback.
    pub public_url: Option<Setting<Url>>,
    /// TLS of the server itself.
    pub tls: Option<TlsFiles>,
    /// Proxies whose word about the client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Requests a second of one caller, four times as many at once.
    pub requests_per_s: Setting<u32>,
}

impl WebConfig {
    /// Checks it together with the address that is listened on.
    pub(super) fn load(
        file: WebFile,
        listen: SocketAddr,
        env: &dyn Fn(&str) -> Option<String>,
        of_sign_in: Option<&str>,
    ) -> Result<WebConfig, AppError> {
        // written once is enough: providers send browsers back to the same place
        let bare = of_sign_in.filter(|text| public(text).is_ok());
        let written = file.public_url.or_else(|| bare.map(str::to_owned));
        let public_url = super::pick_any(None, env("TONNAGE_PUBLIC_URL"), written)
            .map(|setting| {
                let value = public(&setting.value)?;
                let origin = setting.origin;
                Ok::<_, AppError>(Setting { value, origin })
            })
            .transpose()?;
        let path = |name: &str, file: Option<PathBuf>| env(name).map(PathBuf::from).or(file);
        let certificate = path("TONNAGE_TLS_CERTIFICATE_FILE", file.tls_certificate_file);
        let key = path("TONNAGE_TLS_KEY_FILE", file.tls_key_file);
        let tls = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            _ => {
                return Err(AppError::usage(
                    "web: one of tls_certificate_file and tls_key_file is missing",
                    "name both, or neither and let a proxy do TLS",
                ));
            }
        };
        let trusted_proxies: Vec<IpNet> = file
            .trusted_proxies
            .iter()
            .map(|text| net(text))
            .collect::<Result<_, _>>()?;
        let asked = env("TONNAGE_REQUESTS_PER_S")
            .map(|text| text.trim().parse::<u32>())
            .transpose()
            .map_err(|_| AppError::usage("TONNAGE_REQUESTS_PER_S is no number", "write a number such as 200"))?;
        let requests_per_s = super::pick(None, asked, file.requests_per_s, REQUESTS_PER_S);
        if requests_per_s.value == 0 {
            return Err(AppError::usage(
                "web: requests_per_s is 0, which lets nobody in",
                "write a number such as 200",
            ));
        }
        let web = WebConfig {
            public_url,
            tls,
            trusted_proxies,
            requests_per_s,
        };
        web.check(listen)?;
        Ok(web)
    }

    /// Beyond loopback nothing travels in the clear.
    fn check(&self, listen: SocketAddr) -> Result<(), AppError> {
        if listen.ip().is_loopback() {
            return Ok(());
        }
        let Some(public_url) = &self.public_url else {
            return Err(AppError::usage(
                format!("refusing to listen on {listen} without knowing the address it is reached by"),
                "write web: {public_url: https://tonnage.example.com} in the configuration file, or listen on 127.0.0.1",
            ));
        };
        if public_url.value.scheme() != "https" {
            return Err(AppError::usage(
                format!("refusing to listen on {listen}: public_url is not https"),
                "passwords and tokens would travel in the clear; write an https address",
            ));
        }
        if self.tls.is_none() && self.trusted_proxies.is_empty() {
            return Err(AppError::usage(
                format!("refusing to listen on {listen} without TLS"),
                "name tls_certificate_file and tls_key_file under web, or the addresses of the proxy that does TLS under trusted_proxies",
            ));
        }
        Ok(())
    }

    /// Whether browsers come by https.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        let https = self
            .public_url
            .as_ref()
            .is_some_and(|url| url.value.scheme() == "https");
        https || self.tls.is_some()
    }

    /// Host, and port where it is not the scheme's own, as browsers send them.
    #[must_use]
    pub fn public_host(&self) -> Option<String> {
        let url = &self.public_url.as_ref()?.value;
        let host = url.host_str()?;
        Some(
            url.port()
                .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
        )
    }

    /// The client's address: what a trusted proxy says of it, else the peer's.
    #[must_use]
    pub fn client(&self, peer: IpAddr, forwarded_for: &[&str]) -> IpAddr {
        let trusted = |address: &IpAddr| self.trusted_proxies.iter().any(|net| net.contains(address));
        if !trusted(&peer) {
            return peer;
        }
        // each proxy appends whom it was asked by: the last that is no proxy of ours
        let hops = forwarded_for.iter().flat_map(|line| line.split(',')).rev();
        let mut addresses = hops.map_while(|hop| hop.trim().parse::<IpAddr>().ok());
        addresses.find(|address| !trusted(address)).unwrap_or(peer)
    }

    pub(super) fn shown(&self) -> Vec<Shown> {
        let shown = |name, value, origin| Shown { name, value, origin };
        let mut all = Vec::new();
        if let Some(url) = &self.public_url {
            all.push(shown("web.public_url", url.value.to_string(), url.origin));
        }
        if let Some(tls) = &self.tls {
            let path = tls.certificate.display().to_string();
            all.push(shown("web.tls_certificate_file", path, Origin::File));
            all.push(shown("web.tls_key_file", tls.key.display().to_string(), Origin::File));
        }
        if !self.trusted_proxies.is_empty() {
            let nets: Vec<String> = self.trusted_proxies.iter().map(ToString::to_string).collect();
            all.push(shown("web.trusted_proxies", nets.join(" "), Origin::File));
        }
        let limit = &self.requests_per_s;
        all.push(shown("web.requests_per_s", limit.value.to_string(), limit.origin));
        all
    }
}

fn public(text: &str) -> Result<Url, AppError> {
    let wrong = |what: &str| {
        AppError::usage(
            format!("public_url {text:?} {what}"),
            "write scheme and host only, such as https://tonnage.example.com",
        )
    };
    let url = Url::parse(text).map_err(|_| wrong("is no address"))?;
    let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        _ => return Err(wrong("is not https")),
    }
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() || url.host_str().is_none() {
        return Err(wrong("has more than scheme, host and port"));
    }
    Ok(url)
}

fn net(text: &str) -> Result<IpNet, AppError> {
    let one = text.parse::<IpAddr>().map(IpNet::from);
    one.or_else(|_| text.parse::<IpNet>()).map_err(|_| {
        AppError::usage(
            format!("trusted_proxies: {text:?} is no address"),
            "write 10.0.0.5 or 10.0.0.0/24",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(yaml: &str, listen: &str) -> Result<WebConfig, AppError> {
        let file: WebFile = serde_saphyr::from_str(yaml).expect(yaml);
        WebConfig::load(file, listen.parse().expect(listen), &|_| None, None)
    }

    #[test]
    fn beyond_loopback_nothing_travels_in_the_clear() {
        const URL: &str = "public_url: https://t.example\n";
        let table = [
            (String::new(), "127.0.0.1:80", None),
            (String::new(), "0.0.0.0:80", Some("without knowing the address")),
            (URL.to_owned(), "0.0.0.0:80", Some("without TLS")),
            (format!("{URL}trusted_proxies: [10.0.0.0/8]"), "0.0.0.0:80", None),
            (
                format!("{URL}tls_certificate_file: a\ntls_key_file: b"),
                "[::]:443",
                None,
            ),
            (format!("{URL}tls_key_file: b"), "[::]:443", Some("is missing")),
            (
                "public_url: http://localhost:8080\ntrusted_proxies: [10.0.0.1]".to_owned(),
                "0.0.0.0:80",
                Some("not https"),
            ),
            (
                "public_url: http://t.example".to_owned(),
                "127.0.0.1:80",
                Some("is not https"),
            ),
            (
                "public_url: https://t.example/app".to_owned(),
                "127.0.0.1:80",
                Some("has more than"),
            ),
            (
                "public_url: https://u:p@t.example".to_owned(),
                "127.0.0.1:80",
                Some("has more than"),
            ),
            (
                "trusted_proxies: [proxy]".to_owned(),
                "127.0.0.1:80",
                Some("is no address"),
            ),
            ("requests_per_s: 0".to_owned(), "127.0.0.1:80", Some("lets nobody in")),
        ];
        for (yaml, listen, refused) in table {
            let loaded = load(&yaml, listen).map(drop).map_err(|error| error.to_string());
            match refused {
                None => assert_eq!(loaded, Ok(()), "{yaml} on {listen}"),
                Some(part) => assert!(
                    loaded.as_ref().is_err_and(|text| text.contains(part)),
                    "{yaml} on {listen}: {loaded:?}"
                ),
            }
        }
    }

    #[test]
    fn a_client_is_who_a_trusted_proxy_says() {
        let web = load("trusted_proxies: [10.0.0.0/24, '::1']", "127.0.0.1:80").expect("good");
        let table: [(&str, &[&str], &str); 7] = [
            ("192.0.2.1", &["198.51.100.9"], "192.0.2.1"),
            ("10.0.0.5", &["198.51.100.9"], "198.51.100.9"),
            ("10.0.0.5", &["203.0.113.1, 198.51.100.9"], "198.51.100.9"),
            ("10.0.0.5", &["203.0.113.1", "198.51.100.9, 10.0.0.6"], "198.51.100.9"),
            ("10.0.0.5", &[], "10.0.0.5"),
            ("10.0.0.5", &["198.51.100.9, forged"], "10.0.0.5"),
            ("::1", &["2001:db8::7"], "2001:db8::7"),
        ];
        for (peer, forwarded, expected) in table {
            let client = web.client(peer.parse().expect(peer), forwarded);
            assert_eq!(client.to_string(), expected, "{peer} {forwarded:?}");
        }
    }
}
