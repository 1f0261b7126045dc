//! Bills where providers deliver them: a bucket of Amazon S3, Google Cloud
//! Storage or Azure Blob Storage, or a file at an HTTP address. Credentials are
//! those of the environment, by the chain of each provider's SDK that
//! `object_store` knows: variables, web identity, container and instance roles.

use futures::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, parse_url_opts};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use url::Url;

/// Schemes an address may have.
const SCHEMES: [&str; 9] = ["s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "http", "https"];

/// What kind of failure a store reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing of this name is there.
    Missing,
    /// Who asks may not.
    Denied,
    /// Anything else, such as a connection that breaks.
    Other,
}

impl Failure {
    fn of(error: &object_store::Error) -> Failure {
        use object_store::Error as Of;
        let said = |code: &str| error.to_string().contains(&format!("status code: {code}"));
        match error {
            Of::NotFound { .. } => Failure::Missing,
            Of::PermissionDenied { .. } | Of::Unauthenticated { .. } => Failure::Denied,
            // a bucket that is not there, or credentials that are none, have no kind of their own
            Of::Generic { .. } if said("404") => Failure::Missing,
            Of::Generic { .. } if said("401") || said("403") => Failure::Denied,
            _ => Failure::Other,
        }
    }
}

/// Why a bucket could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The address is none.
    #[error("{address} is no address of a bucket: {detail}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong.
        detail: String,
    },
    /// The store refused or could not be reached.
    #[error("cannot {doing} {address}: {detail}")]
    Store {
        /// `list`, `read`.
        doing: &'static str,
        /// Of what.
        address: String,
        /// What kind of failure it is.
        kind: Failure,
        /// What the store said: its errors repeat themselves in their sources.
        detail: String,
    },
    /// The copy could not be written.
    #[error("cannot keep a copy of {address}")]
    Copy {
        /// Of what.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl BucketError {
    /// What to do about it, when it is up to who asked.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            BucketError::Address { .. } => {
                Some("write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or https://HOST/FILE")
            }
            BucketError::Store { kind, .. } => match kind {
                Failure::Missing => Some("look for the bucket and the path in it; nothing is there under this name"),
                Failure::Denied => Some(
                    "give credentials that may list and read it, in the variables of the provider (AWS_ACCESS_KEY_ID, \
                     GOOGLE_SERVICE_ACCOUNT, AZURE_STORAGE_ACCOUNT_NAME ...) or as the role of this machine",
                ),
                Failure::Other => None,
            },
            BucketError::Copy { .. } => None,
        }
    }
}

/// An object in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path in the bucket.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// Changes whenever its content does: the ETag, else when it was last written.
    pub tag: String,
}

/// A bucket, or a part of one.
#[derive(Debug, Clone)]
pub struct Bucket {
    address: String,
    store: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    is_http: bool,
}

impl Bucket {
    /// Whether a text is an address, not the name of a file.
    #[must_use]
    pub fn is_address(text: &str) -> bool {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        scheme.is_some_and(|scheme| SCHEMES.contains(&scheme.as_str()))
    }

    /// An address as it may be shown: without what may be a secret.
    #[must_use]
    pub fn shown(address: &str) -> String {
        let plain = address.split(['?', '#']).next().unwrap_or("");
        let Some((scheme, rest)) = plain.split_once("://") else {
            return plain.to_owned();
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        format!("{scheme}://{host}{path}")
    }

    /// Opens an address; nothing is asked yet. `options` are credentials and
    /// settings by the names of environment variables; others are passed over.
    ///
    /// # Errors
    /// When the address or a setting is none.
    pub fn open(address: &str, options: impl IntoIterator<Item = (String, String)>) -> Result<Bucket, BucketError> {
        let wrong = |detail: String| BucketError::Address {
            address: Bucket::shown(address),
            detail,
        };
        let url = Url::parse(address).map_err(|error| wrong(error.to_string()))?;
        if url.query().is_some() || url.fragment().is_some() || url.password().is_some() {
            return Err(wrong("it may have no query, fragment or password".to_owned()));
        }
        let options = options
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (store, prefix) = parse_url_opts(&url, options).map_err(|error| wrong(error.to_string()))?;
        Ok(Bucket {
            address: address.trim_end_matches('/').to_owned(),
            store: store.into(),
            prefix,
            is_http: url.scheme().starts_with("http"),
        })
    }

    /// The bucket alone, without the path in it.
    #[must_use]
    pub fn root(&self) -> &str {
        let path = self.prefix.as_ref();
        self.address
            .strip_suffix(path)
            .unwrap_or(&self.address)
            .trim_end_matches('/')
    }

    /// Every object below the address, or else the one object of this name.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn list(&self) -> Result<Vec<Found>, BucketError> {
        let failed = |error| store_error("list", &self.address, &error);
        if self.is_http {
            // a web server has no lists
            return Ok(vec![found(self.store.head(&self.prefix).await.map_err(failed)?)]);
        }
        let below = self.store.list(Some(&self.prefix)).map_ok(found).try_collect();
        let mut all: Vec<Found> = below.await.map_err(failed)?;
        all.sort_by(|a, b| a.key.cmp(&b.key));
        if all.is_empty() && !self.prefix.as_ref().is_empty() {
            match self.store.head(&self.prefix).await {
                Ok(one) => all.push(found(one)),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(all)
    }

    /// Copies an object into a file, which has its name only when it is whole.
    ///
    /// # Errors
    /// When it cannot be read whole, or the copy not be written.
    pub async fn fetch(&self, object: &Found, to: &Path) -> Result<(), BucketError> {
        let address = format!("{}/{}", self.root(), object.key);
        let failed = |error| store_error("read", &address, &error);
        let io = |source| BucketError::Copy {
            address: address.clone(),
            source,
        };
        let folder = to.parent().unwrap_or(to);
        std::fs::create_dir_all(folder).map_err(io)?;
        let mut copy = tempfile::Builder::new()
            .prefix(".part-")
            .tempfile_in(folder)
            .map_err(io)?;
        let key = ObjectPath::parse(&object.key).map_err(|error| failed(error.into()))?;
        let mut stream = self.store.get(&key).await.map_err(failed)?.into_stream();
        let mut length = 0;
        while let Some(bytes) = stream.try_next().await.map_err(failed)? {
            length += bytes.len() as u64;
            copy.write_all(&bytes).map_err(io)?;
        }
        if length != object.bytes {
            let detail = format!("{length} of {} bytes came", object.bytes);
            return Err(io(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, detail)));
        }
        copy.as_file().sync_all().map_err(io)?;
        copy.persist(to).map_err(|error| io(error.error))?;
        Ok(())
    }
}

fn store_error(doing: &'static str, address: &str, error: &object_store::Error) -> BucketError {
    BucketError::Store {
        doing,
        address: address.to_owned(),
        kind: Failure::of(error),
        detail: error.to_string(),
    }
}

fn found(object: object_store::ObjectMeta) -> Found {
    Found {
        key: object.location.to_string(),
        bytes: object.size,
        tag: object.e_tag.unwrap_or_else(|| object.last_modified.to_rfc3339()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, is) in [
            ("s3://b/p", true),
            ("GS://b", true),
            ("https://host/f.csv.gz", true),
            ("bills/s3", false),
            ("file:///tmp", false),
            ("C://x", false),
        ] {
            assert_eq!(Bucket::is_address(text), is, "{text}");
        }
        let open = |address: &str| Bucket::open(address, []);
        assert_eq!(open("s3://bucket/a/b/").expect("an address").root(), "s3://bucket");
        assert_eq!(open("s3://bucket").expect("an address").root(), "s3://bucket");
        for wrong in ["s3://", "https://host/f.csv?sig=secret", "s3://u:secret@b/p"] {
            let error = open(wrong).map(|_| ()).expect_err(wrong);
            assert!(
                error.remedy().is_some() && !error.to_string().contains("secret"),
                "{error}"
            );
        }
    }
}
