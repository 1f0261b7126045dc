use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Money;

/// Named amounts in the order they are added up; a JSON object on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms(pub Vec<(String, Money)>);

impl Serialize for Terms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (term, amount) in &self.0 {
            map.serialize_entry(term, amount)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Terms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Terms;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of named amounts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Terms, A::Error> {
                let mut terms = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    terms.push(entry);
                }
                Ok(Terms(terms))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
