//! Classes: what kind of thing a charge pays for (rule A35).

use crate::charge::Attributes;
use crate::rule::{Condition, RawCondition, condition_columns};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

macro_rules! classes {
    ($($(#[$doc:meta])* $variant:ident = $key:literal, $label:literal;)*) => {
        /// The class of a charge. Every charge has exactly one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Class { $($(#[$doc])* $variant,)* }

        impl Class {
            /// Every class.
            pub const ALL: &[Class] = &[$(Class::$variant,)*];

            /// Stable key, as in files and URLs.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Class::$variant => $key,)* }
            }

            /// What people read.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Class::$variant => $label,)* }
            }
        }
    };
}

classes! {
    /// Machines that are Kubernetes nodes.
    NodeCompute = "node_compute", "Node compute";
    /// Root disks of nodes.
    NodeDisk = "node_disk", "Node disk";
    /// Volumes and file systems.
    Volume = "volume", "Volume";
    /// Snapshots and backups.
    SnapshotBackup = "snapshot_backup", "Snapshot and backup";
    /// Load balancers.
    LoadBalancer = "load_balancer", "Load balancer";
    /// Addresses, NAT and DNS.
    AddressNatDns = "address_nat_dns", "Address, NAT, DNS";
    /// Data transfer and connections.
    Network = "network", "Network";
    /// Kubernetes control planes.
    ControlPlane = "control_plane", "Control plane";
    /// Databases.
    Database = "database", "Database";
    /// Caches.
    Cache = "cache", "Cache";
    /// Queues and brokers.
    Queue = "queue", "Queue";
    /// Object storage.
    ObjectStorage = "object_storage", "Object storage";
    /// Metrics, logs, traces.
    Observability = "observability", "Observability";
    /// Security and edge: firewalls, CDN, DDoS, keys.
    SecurityEdge = "security_edge", "Security and edge";
    /// Registries and artefacts.
    Registry = "registry", "Registry and artefacts";
    /// Machines outside Kubernetes.
    Machine = "machine", "Machine outside Kubernetes";
    /// Licences, marketplace, SaaS.
    Licence = "licence", "Licence, marketplace, SaaS";
    /// Purchases of commitments: billed now, effective later (A8).
    CommitmentPurchase = "commitment_purchase", "Commitment purchase";
    /// Commitment nobody used (A23).
    CommitmentUnused = "commitment_unused", "Commitment unused";
    /// Capacity reservation nobody used (A23).
    ReservationUnused = "reservation_unused", "Reservation unused";
    /// Discounts (A17).
    Discount = "discount", "Discount";
    /// Support (A20).
    Support = "support", "Support";
    /// Tax (A21).
    Tax = "tax", "Tax";
    /// Credits (A19).
    Credit = "credit", "Credit";
    /// Anything no mapping knows: counted by money in a finding.
    Other = "other", "Other";
}

impl Class {
    /// Back from [`Class::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Class> {
        Class::ALL.iter().copied().find(|class| class.as_str() == text)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The ordered mapping from attributes to classes.
#[derive(Debug, Clone)]
pub struct ClassRules {
    rules: Vec<(Class, Condition)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    format: u32,
    classes: Vec<RawClass>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClass {
    class: Class,
    when: RawCondition,
}

impl ClassRules {
    /// The mapping we ship, `assets/presets/classes.yaml`.
    #[must_use]
    pub fn preset() -> ClassRules {
        static PRESET: std::sync::LazyLock<ClassRules> = std::sync::LazyLock::new(|| {
            ClassRules::parse(include_str!("../../../../assets/presets/classes.yaml"))
                .expect("the shipped preset parses: a test of this module says so")
        });
        PRESET.clone()
    }

    /// A mapping that knows nothing: everything is [`Class::Other`].
    #[must_use]
    pub fn none() -> ClassRules {
        ClassRules { rules: Vec::new() }
    }

    /// Parses a mapping file.
    ///
    /// # Errors
    /// Text that names the entry and what is wrong.
    pub fn parse(yaml: &str) -> Result<ClassRules, String> {
        let file: RawFile = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        if file.format != 1 {
            return Err(format!("format {} is not known; write `format: 1`", file.format));
        }
        let compiled = file.classes.into_iter().map(|raw| {
            let condition = raw
                .when
                .compile()
                .map_err(|problem| format!("class {}: {problem}", raw.class))?;
            Ok((raw.class, condition))
        });
        Ok(ClassRules {
            rules: compiled.collect::<Result<_, String>>()?,
        })
    }

    /// The class of a charge.
    #[must_use]
    pub fn class_of(&self, attributes: &Attributes) -> Class {
        let found = self
            .rules
            .iter()
            .find(|(_, condition)| condition.holds(attributes, &mut Vec::new()));
        found.map_or(Class::Other, |(class, _)| *class)
    }

    /// Charge columns the mapping looks at.
    #[must_use]
    pub fn columns(&self) -> BTreeSet<String> {
        condition_columns(self.rules.iter().map(|(_, condition)| condition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_systems_map_to_a_class() {
        let rules = ClassRules::preset();
        let usage = |category: &str, service: &str| {
            Attributes::default()
                .with_column("ChargeCategory", "Usage")
                .with_column("ServiceCategory", category)
                .with_column("ServiceName", service)
        };
        for (attributes, expect) in [
            (
                usage("Compute", "Amazon Elastic Compute Cloud").with_tag("eks:cluster-name", "prod"),
                Class::NodeCompute,
            ),
            (usage("Compute", "Amazon Elastic Compute Cloud"), Class::Machine),
            (usage("Compute", "Virtual Machines"), Class::Machine),
            (
                usage("Databases", "Amazon Relational Database Service"),
                Class::Database,
            ),
            (usage("Databases", "Amazon ElastiCache"), Class::Cache),
            (usage("Storage", "Amazon Simple Storage Service"), Class::ObjectStorage),
            (usage("Storage", "Amazon Elastic Block Store"), Class::Volume),
            (usage("Storage", "AWS Backup"), Class::SnapshotBackup),
            (usage("Networking", "Elastic Load Balancing"), Class::LoadBalancer),
            (
                usage("Networking", "Amazon Virtual Private Cloud")
                    .with_column("ChargeDescription", "NAT Gateway hours"),
                Class::AddressNatDns,
            ),
            (usage("Networking", "Amazon Virtual Private Cloud"), Class::Network),
            (
                usage("Compute", "Amazon Elastic Kubernetes Service"),
                Class::ControlPlane,
            ),
            (usage("Integration", "Amazon MQ"), Class::Queue),
            (usage("Integration", "Amazon Simple Queue Service"), Class::Queue),
            (
                usage("Management and Governance", "AmazonCloudWatch"),
                Class::Observability,
            ),
            (usage("Security", "AWS WAF"), Class::SecurityEdge),
            (usage("Networking", "Amazon CloudFront"), Class::SecurityEdge),
            (usage("Compute", "Amazon Elastic Container Registry"), Class::Registry),
            (usage("Other", "AWS Support (Business)"), Class::Support),
            (usage("Other", "AWS Marketplace"), Class::Licence),
            (
                usage("Compute", "x").with_column("CommitmentDiscountStatus", "Unused"),
                Class::CommitmentUnused,
            ),
            (
                usage("Compute", "x").with_column("lineItem/LineItemType", "EdpDiscount"),
                Class::Discount,
            ),
            (
                usage("Compute", "x").with_column("line_item_line_item_type", "Usage"),
                Class::Machine,
            ),
            (
                usage("Compute", "x").with_column("CapacityReservationStatus", "Unused"),
                Class::ReservationUnused,
            ),
            (Attributes::default().with_column("ChargeCategory", "Tax"), Class::Tax),
            (
                Attributes::default()
                    .with_column("ChargeCategory", "Credit")
                    .with_column("ServiceName", "Amazon Elastic Compute Cloud"),
                Class::Credit,
            ),
            (
                Attributes::default()
                    .with_column("ChargeCategory", "Credit")
                    .with_column("ChargeDescription", "Enterprise Discount Program"),
                Class::Discount,
            ),
            (
                Attributes::default()
                    .with_column("ChargeCategory", "Purchase")
                    .with_column("CommitmentDiscountId", "c"),
                Class::CommitmentPurchase,
            ),
            (usage("Other", "Something new"), Class::Other),
        ] {
            assert_eq!(rules.class_of(&attributes), expect, "{attributes:?}");
        }
    }

    #[test]
    fn keys_are_stable_and_distinct() {
        let keys: BTreeSet<&str> = Class::ALL.iter().map(|class| class.as_str()).collect();
        assert_eq!(keys.len(), Class::ALL.len());
        for class in Class::ALL {
            assert_eq!(Class::parse(class.as_str()), Some(*class));
            assert_eq!(
                serde_json::to_string(class).expect("serialises"),
                format!("\"{class}\"")
            );
        }
    }
}
