//! A meter: one resource (or fee) of the fleet, what it costs, and who owns it.

use std::ops::Range;

use chrono::{NaiveDate, NaiveDateTime};

use crate::catalog::Sku;
use crate::company::Takeover;
use crate::money::MICRO;

/// Which bill a meter is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    Aws,
    Eu,
    /// A second organisation of AWS, billed as CUR 2.0.
    Cur,
    Azure,
}

/// Id and name of a sub-account.
pub type Account<'a> = (&'a str, &'a str);

/// How the quantity of a day comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The same every day.
    Flat,
    /// With the orders of the day.
    Orders,
    /// Ten hours on working days.
    Office,
    /// A node of an autoscaled pool: it runs on the busier part of the day, and all day once the
    /// activity of the day passes this many parts per million.
    Burst(i128),
    /// Stored data: grows all the time.
    Stored,
}

/// The commitments of the company.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commitment {
    /// Savings plan, paid day by day.
    Plan,
    /// Reserved databases, paid by the month.
    Databases,
    /// Reserved caches, paid at once in the first month for a year.
    Caches,
}

/// How a meter turns into charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A charge a day at the contracted price.
    Daily,
    /// A charge an hour at a price of the hour.
    Spot,
    /// A charge a day, covered by a commitment while that lasts.
    Covered(Commitment),
    /// A charge a month for the days of the month, from another publisher if named.
    Monthly(Option<&'static str>),
    Purchase(Commitment),
    Unused(Commitment),
    Support,
    Tax,
    Credit,
}

/// What a meter is to a cluster whose usage is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The machine that is the node.
    Machine,
    /// The disk it boots from.
    RootDisk,
}

/// The node a meter belongs to, in a cluster whose usage is known.
#[derive(Clone, Debug)]
pub struct Place {
    pub cluster: &'static str,
    pub pool: &'static str,
    /// Name of the node.
    pub node: String,
    pub part: Part,
    /// Who ordered the capacity and pays for what nobody holds of it; else the meter's owner.
    pub spare: Option<Owner>,
}

/// The claim a volume was made for, in a cluster whose usage is known.
#[derive(Clone, Debug)]
pub struct Claim {
    pub cluster: &'static str,
    pub namespace: String,
    pub name: String,
    pub storage_class: &'static str,
    /// A JSON object.
    pub labels: String,
    pub provisioned: NaiveDateTime,
    /// The claim is deleted, the volume stays (Retain).
    pub deleted: Option<NaiveDateTime>,
    /// Whoever claims it; the bill may not know.
    pub owner: Owner,
    pub mounters: Vec<Mounter>,
}

/// A workload in the namespace of a claim that mounts its volume.
#[derive(Clone, Debug)]
pub struct Mounter {
    pub workload: String,
    /// Pays for its part when there are others.
    pub owner: Owner,
    /// Hours of the day in which it mounts.
    pub hours: Range<u8>,
    /// Not on Saturdays and Sundays.
    pub weekdays: bool,
    /// Thousandths of what is in the volume, if somebody measures it.
    pub fills: Option<u64>,
}

/// A load balancer of a cluster whose usage is known.
#[derive(Clone, Debug)]
pub struct Front {
    pub cluster: &'static str,
    /// The Service that asked for it.
    pub service: &'static str,
    /// A JSON object.
    pub labels: String,
    pub behind: Behind,
    /// The service tier of everything in its account, if there is one.
    pub tier: &'static str,
    /// Whoever asked for it; the bill may not know.
    pub owner: Owner,
}

/// What the controller behind a load balancer passes requests to.
#[derive(Clone, Debug)]
pub enum Behind {
    /// Every third tenant from this one on, and services of the platform.
    Tenants(usize, &'static [&'static str]),
    /// Services of the platform.
    Services(&'static [&'static str]),
    /// Services with so many host names each, without any traffic.
    Hosts(&'static [(&'static str, u64)]),
    /// Nothing anybody measures.
    Nothing,
}

/// The right answer for a charge; empty = nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    pub tenant: String,
    pub service: String,
    pub tier: String,
}

impl Owner {
    /// Whoever it is on `day`, if a tenant is taken over.
    pub fn on(&self, day: NaiveDate, takeover: Option<&Takeover>) -> Self {
        match takeover {
            Some(takeover) if takeover.on <= day => Self {
                tenant: takeover.to.clone(),
                ..self.clone()
            },
            _ => self.clone(),
        }
    }

    pub fn new(tenant: &str, service: &str, tier: &str) -> Self {
        Self {
            tenant: tenant.to_owned(),
            service: service.to_owned(),
            tier: tier.to_owned(),
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Meter {
    pub provider: Provider,
    pub account: (String, String),
    pub sku: &'static Sku,
    pub kind: Kind,
    pub shape: Shape,
    pub region: (&'static str, &'static str),
    pub zone: &'static str,
    pub resource_id: String,
    pub name: String,
    /// Quantity of an ordinary day, in micro units.
    pub per_day: i128,
    /// A JSON object.
    pub tags: String,
    pub owner: Owner,
    /// A later owner of the same resource.
    pub takeover: Option<Takeover>,
    pub place: Option<Place>,
    pub claim: Option<Box<Claim>>,
    pub front: Option<Box<Front>>,
    /// The cluster it is the control plane of, if its usage is known.
    pub plane_of: Option<&'static str>,
    pub from: NaiveDate,
    /// Exclusive.
    pub to: NaiveDate,
    /// Random stream of this meter.
    pub stream: u64,
}

impl Meter {
    /// A daily flat meter of one unit that nobody owns.
    pub fn new(provider: Provider, account: Account<'_>, sku: &'static Sku, name: &str) -> Self {
        let name = name.to_owned();
        let stream = crate::prng::stream(&format!("{}/{}/{name}", account.0, sku.meter));
        let region = match provider {
            Provider::Aws => ("eu-central-1", "EU (Frankfurt)"),
            Provider::Eu => ("de-nue", "Nürnberg"),
            Provider::Cur => ("eu-west-1", "EU (Ireland)"),
            Provider::Azure => ("westeurope", "EU West"),
        };
        Self {
            provider,
            account: (account.0.to_owned(), account.1.to_owned()),
            sku,
            kind: Kind::Daily,
            shape: Shape::Flat,
            region,
            zone: "",
            resource_id: resource_id(provider, account.0, sku, &name, region.0),
            name,
            per_day: MICRO,
            tags: "{}".to_owned(),
            owner: Owner::default(),
            takeover: None,
            place: None,
            claim: None,
            front: None,
            plane_of: None,
            from: NaiveDate::MIN,
            to: NaiveDate::MAX,
            stream,
        }
    }

    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    pub fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// Whole units of an ordinary day.
    pub fn units(self, per_day: i128) -> Self {
        self.micro(per_day * MICRO)
    }

    /// Gigabytes stored, billed in GB-months.
    pub fn stored(self, gigabytes: i128) -> Self {
        self.micro(gigabytes * MICRO / 30)
    }

    pub fn micro(mut self, per_day: i128) -> Self {
        self.per_day = per_day;
        self
    }

    pub fn zone(mut self, zone: &'static str) -> Self {
        self.zone = zone;
        self
    }

    pub fn region(mut self, id: &'static str, name: &'static str) -> Self {
        self.region = (id, name);
        self
    }

    pub fn owner(mut self, tenant: &str, service: &str, tier: &str) -> Self {
        self.owner = Owner::new(tenant, service, tier);
        self
    }

    pub fn tags(mut self, tags: &[(&str, &str)]) -> Self {
        self.tags = json(tags);
        self
    }

    /// Makes it the volume of a claim.
    pub fn claim(mut self, claim: Claim) -> Self {
        self.claim = Some(Box::new(claim));
        self
    }

    /// Makes it a charge of a cluster's load balancer.
    pub fn front(mut self, front: &Front) -> Self {
        self.front = Some(Box::new(front.clone()));
        self
    }

    /// Makes it a part of a node.
    pub fn place(mut self, cluster: &'static str, pool: &'static str, node: &str, part: Part) -> Self {
        let node = node.to_owned();
        self.place = Some(Place {
            cluster,
            pool,
            node,
            part,
            spare: None,
        });
        self
    }

    /// Names who pays for what nobody holds of the node.
    pub fn spare(mut self, owner: Owner) -> Self {
        if let Some(place) = &mut self.place {
            place.spare = Some(owner);
        }
        self
    }

    /// The node this is the machine of.
    pub fn machine_of(&self) -> Option<&Place> {
        self.place.as_ref().filter(|place| place.part == Part::Machine)
    }

    /// Whether the resource exists on `day`.
    pub fn lives(&self, day: NaiveDate) -> bool {
        self.from <= day && day < self.to
    }
}

/// Tags or labels as a JSON object.
pub fn json(tags: &[(&str, &str)]) -> String {
    let object: serde_json::Map<String, serde_json::Value> = tags
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()))
        .collect();
    serde_json::Value::Object(object).to_string()
}

fn resource_id(provider: Provider, account: &str, sku: &Sku, name: &str, region: &str) -> String {
    let hash = crate::prng::stream(&format!("{account}/{name}"));
    let hash = format!("{:017x}", u128::from(hash) * 0x1_9e37);
    match (provider, sku.resource_type) {
        (_, "") => String::new(),
        (Provider::Eu, kind) => format!("rw:{account}:{}:{name}", kind.to_lowercase().replace(' ', "-")),
        (Provider::Azure, kind) => {
            format!("/subscriptions/{account}/resourceGroups/rg-messages/providers/{kind}/resources/{name}")
        }
        (Provider::Aws | Provider::Cur, "Instance") => format!("i-{hash}"),
        (Provider::Aws | Provider::Cur, "Volume") => format!("vol-{hash}"),
        (Provider::Aws | Provider::Cur, "File System") => {
            format!("arn:aws:elasticfilesystem:{region}:{account}:file-system/fs-{hash}")
        }
        (Provider::Aws | Provider::Cur, "Snapshot") => format!("arn:aws:ec2:{region}:{account}:snapshot/snap-{hash}"),
        (Provider::Aws | Provider::Cur, "NAT Gateway") => {
            format!("arn:aws:ec2:{region}:{account}:natgateway/nat-{hash}")
        }
        (Provider::Aws | Provider::Cur, "Bucket") => name.to_owned(),
        (Provider::Aws | Provider::Cur, "Cluster") => format!("arn:aws:eks:{region}:{account}:cluster/{name}"),
        (Provider::Aws | Provider::Cur, "DB Instance" | "DB Storage" | "DB Backup") => {
            format!("arn:aws:rds:{region}:{account}:db:{name}")
        }
        (Provider::Aws | Provider::Cur, "Log Group") => {
            format!("arn:aws:logs:{region}:{account}:log-group:/tidewater/{name}")
        }
        (Provider::Aws | Provider::Cur, "Load Balancer") => {
            format!(
                "arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/net/{name}/{}",
                &hash[..16]
            )
        }
        (Provider::Aws | Provider::Cur, kind) => {
            format!(
                "arn:aws:{}:{region}:{account}:{name}",
                kind.to_lowercase().replace(' ', "-")
            )
        }
    }
}
