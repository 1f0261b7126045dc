//! The price catalogue: services as the providers name them, with list prices in pico units of the
//! billing currency per unit. Prices are of the right order, not a quotation.

use crate::money::ONE;

/// One priced thing.
#[derive(Clone, Copy, Debug)]
pub struct Sku {
    pub service: &'static str,
    pub category: &'static str,
    pub subcategory: &'static str,
    pub resource_type: &'static str,
    pub meter: &'static str,
    pub unit: &'static str,
    pub list: i128,
    pub description: &'static str,
    /// Cores of a machine that is a cluster's node; 0 = no such machine.
    pub cores: u64,
    /// GiB of memory of such a machine.
    pub gibibytes: u64,
}

const EC2: [&str; 3] = ["Amazon Elastic Compute Cloud", "Compute", "Virtual Machines"];
const EBS: [&str; 3] = ["Amazon Elastic Compute Cloud", "Storage", "Block Storage"];
const EFS: [&str; 3] = ["Amazon Elastic File System", "Storage", "File Storage"];
const EKS: [&str; 3] = ["Amazon Elastic Kubernetes Service", "Compute", "Containers"];
const VPC: [&str; 3] = ["Amazon Virtual Private Cloud", "Networking", "Network Infrastructure"];
const ELB: [&str; 3] = ["Elastic Load Balancing", "Networking", "Network Routing"];
const RDS: [&str; 3] = ["Amazon Relational Database Service", "Databases", "Relational Databases"];
const CACHE: [&str; 3] = ["Amazon ElastiCache", "Databases", "Caching"];
const MQ: [&str; 3] = ["Amazon MQ", "Integration", "Messaging"];
const S3: [&str; 3] = ["Amazon Simple Storage Service", "Storage", "Object Storage"];
const BACKUP: [&str; 3] = ["AWS Backup", "Storage", "Backup Storage"];
const LOGS: [&str; 3] = ["Amazon CloudWatch", "Management and Governance", "Observability"];
const WAF: [&str; 3] = ["AWS WAF", "Security", "Other (Security)"];
const KMS: [&str; 3] = ["AWS Key Management Service", "Security", "Secret Management"];
const GUARD: [&str; 3] = ["Amazon GuardDuty", "Security", "Threat Detection and Response"];
const ECR: [&str; 3] = ["Amazon EC2 Container Registry (ECR)", "Compute", "Containers"];
const DNS: [&str; 3] = ["Amazon Route 53", "Networking", "Network Routing"];
const SAAS: [&str; 3] = ["Datapier Observability Cloud", "Management and Governance", "Observability"];
const LABELS: [&str; 3] = ["Parcelglyph Label Studio", "Business Applications", "Other (Business Applications)"];
const PLAN: [&str; 3] = ["Savings Plans for AWS Compute usage", "Compute", "Other (Compute)"];
const SUPPORT: [&str; 3] = ["AWS Support (Business)", "Management and Governance", "Support"];
const OTHER: [&str; 3] = ["Amazon Web Services", "Other", "Other (Other)"];
const EU_VM: [&str; 3] = ["Rheinwolke Cloud Server", "Compute", "Virtual Machines"];
const EU_DISK: [&str; 3] = ["Rheinwolke Block Storage", "Storage", "Block Storage"];
const EU_BARE: [&str; 3] = ["Rheinwolke Dedicated Server", "Compute", "Other (Compute)"];
const EU_COLO: [&str; 3] = ["Rheinwolke Colocation", "Other", "Other (Other)"];
const EU_CARE: [&str; 3] = ["Rheinwolke Care", "Management and Governance", "Support"];

const AZ_VM: [&str; 3] = ["Virtual Machines", "Compute", "Dsv5 Series"];
const AZ_DB: [&str; 3] = ["Azure Database for PostgreSQL", "Databases", "Flexible Server General Purpose"];
const AZ_BUS: [&str; 3] = ["Service Bus", "Integration", "Service Bus"];

const fn sku(
    of: [&'static str; 3],
    resource_type: &'static str,
    meter: &'static str,
    unit: &'static str,
    list: i128,
    description: &'static str,
) -> Sku {
    let [service, category, subcategory] = of;
    Sku { service, category, subcategory, resource_type, meter, unit, list, description, cores: 0, gibibytes: 0 }
}

const fn machine(cores: u64, gibibytes: u64, sku: &Sku) -> Sku {
    Sku { cores, gibibytes, ..*sku }
}

pub static NODE: Sku = machine(8, 32, &sku(EC2, "Instance", "EUC1-BoxUsage:m6i.2xlarge", "Hours", 460_000_000_000, "$0.46 per On Demand Linux m6i.2xlarge Instance Hour"));
pub static NODE_LARGE: Sku = machine(16, 128, &sku(EC2, "Instance", "EUC1-BoxUsage:r6i.4xlarge", "Hours", 1_216_000_000_000, "$1.216 per On Demand Linux r6i.4xlarge Instance Hour"));
pub static NODE_SMALL: Sku = machine(4, 16, &sku(EC2, "Instance", "EUC1-BoxUsage:t3.xlarge", "Hours", 192_000_000_000, "$0.192 per On Demand Linux t3.xlarge Instance Hour"));
pub static NODE_SPOT: Sku = machine(8, 32, &sku(EC2, "Instance", "EUC1-SpotUsage:m6a.2xlarge", "Hours", 414_700_000_000, "m6a.2xlarge Linux/UNIX Spot Instance-hour in EU (Frankfurt) in VPC Zone #2"));
pub static DISK: Sku = sku(EBS, "Volume", "EUC1-EBS:VolumeUsage.gp3", "GB-Mo", 95_200_000_000, "$0.0952 per GB-month of General Purpose (gp3) provisioned storage - EU (Frankfurt)");
pub static FILES: Sku = sku(EFS, "File System", "EUC1-TimedStorage-ByteHrs", "GB-Mo", 360_000_000_000, "$0.36 per GB-Mo for data storage (EU Frankfurt)");
pub static SNAPSHOT: Sku = sku(EBS, "Snapshot", "EUC1-EBS:SnapshotUsage", "GB-Mo", 54_000_000_000, "$0.054 per GB-Month of snapshot data stored - EU (Frankfurt)");
pub static CONTROL_PLANE: Sku = sku(EKS, "Cluster", "EUC1-AmazonEKS-Hours:perCluster", "Hours", 100_000_000_000, "Amazon EKS cluster usage in EU (Frankfurt)");
pub static NAT_HOURS: Sku = sku(VPC, "NAT Gateway", "EUC1-NatGateway-Hours", "Hours", 52_000_000_000, "$0.052 per NAT Gateway Hour");
pub static NAT_BYTES: Sku = sku(VPC, "NAT Gateway", "EUC1-NatGateway-Bytes", "GB", 52_000_000_000, "$0.052 per GB Data Processed by NAT Gateways");
pub static ADDRESS: Sku = sku(VPC, "Public IPv4 Address", "EUC1-PublicIPv4:InUseAddress", "Hours", 5_000_000_000, "$0.005 per In-use public IPv4 address per hour");
pub static LB_HOURS: Sku = sku(ELB, "Load Balancer", "EUC1-LoadBalancerUsage", "Hours", 27_000_000_000, "$0.027 per Network LoadBalancer-hour (or partial hour)");
pub static LB_UNITS: Sku = sku(ELB, "Load Balancer", "EUC1-LCUUsage", "LCU-Hrs", 6_000_000_000, "$0.006 per used Network load balancer capacity unit-hour (or partial hour)");
pub static ZONE_TRAFFIC: Sku = sku(EC2, "Data Transfer", "EUC1-DataTransfer-Regional-Bytes", "GB", 10_000_000_000, "$0.010 per GB - regional data transfer - in/out/between EC2 AZs");
pub static EGRESS: Sku = sku(EC2, "Data Transfer", "EUC1-DataTransfer-Out-Bytes", "GB", 90_000_000_000, "$0.090 per GB - first 10 TB / month data transfer out beyond the global free tier");
pub static REGION_TRAFFIC: Sku = sku(S3, "Data Transfer", "EUC1-EUW1-AWS-Out-Bytes", "GB", 20_000_000_000, "$0.020 per GB - EU (Frankfurt) data transfer to EU (Ireland)");
pub static DATABASE: Sku = sku(RDS, "DB Instance", "EUC1-Multi-AZUsage:db.r6g.xl", "Hours", 1_076_000_000_000, "$1.076 per RDS db.r6g.xlarge Multi-AZ instance hour running PostgreSQL");
pub static DATABASE_SMALL: Sku = sku(RDS, "DB Instance", "EUC1-InstanceUsage:db.t4g.large", "Hours", 153_000_000_000, "$0.153 per RDS db.t4g.large Single-AZ instance hour running PostgreSQL");
pub static DATABASE_STORAGE: Sku = sku(RDS, "DB Storage", "EUC1-RDS:Multi-AZ-GP3-Storage", "GB-Mo", 274_000_000_000, "$0.274 per GB-month of provisioned gp3 storage for \"Multi-AZ\" deployments, PostgreSQL");
pub static DATABASE_BACKUP: Sku = sku(RDS, "DB Backup", "EUC1-RDS:ChargedBackupUsage", "GB-Mo", 103_000_000_000, "$0.103 per additional GB-month of backup storage exceeding free allocation");
pub static CACHE_NODE: Sku = sku(CACHE, "Cache Node", "EUC1-NodeUsage:cache.r6g.large", "Hours", 247_000_000_000, "$0.247 per cache.r6g.large Node-hour (or partial hour) running Redis");
pub static QUEUE: Sku = sku(MQ, "Broker", "EUC1-mq.m5.large-Broker-RabbitMQ-Multi-AZ", "Hours", 1_035_000_000_000, "$1.035 per hour for a mq.m5.large RabbitMQ cluster deployment");
pub static OBJECTS: Sku = sku(S3, "Bucket", "EUC1-TimedStorage-ByteHrs", "GB-Mo", 24_500_000_000, "$0.0245 per GB - first 50 TB / month of storage used");
pub static PUTS: Sku = sku(S3, "Bucket", "EUC1-Requests-Tier1", "Requests", 5_400_000, "$0.0054 per 1,000 PUT, COPY, POST, or LIST requests");
pub static GETS: Sku = sku(S3, "Bucket", "EUC1-Requests-Tier2", "Requests", 430_000, "$0.0043 per 10,000 GET and all other requests");
pub static VAULT: Sku = sku(BACKUP, "Backup Vault", "EUC1-WarmStorage-ByteHrs-EBS", "GB-Mo", 54_000_000_000, "$0.054 per GB-Month for EBS warm backup storage");
pub static LOG_INGEST: Sku = sku(LOGS, "Log Group", "EUC1-DataProcessing-Bytes", "GB", 630_000_000_000, "$0.63 per GB custom log data ingested in Standard log class - EU (Frankfurt)");
pub static METRICS: Sku = sku(LOGS, "Metric", "EUC1-CW:MetricMonitorUsage", "Metrics", 300_000_000_000, "$0.30 per metric-month for the first 10,000 metrics");
pub static WEB_ACL: Sku = sku(WAF, "Web ACL", "EUC1-RequestV2-Tier1", "Requests", 600_000, "$0.60 per million requests processed in EU (Frankfurt)");
pub static KEY_REQUESTS: Sku = sku(KMS, "Key", "eu-central-1-KMS-Requests", "Requests", 3_000_000, "$0.03 per 10,000 KMS requests");
pub static THREATS: Sku = sku(GUARD, "Detector", "EUC1-PaidEventsAnalyzed", "Events", 4_600_000, "$4.60 per 1 million events analyzed in EU (Frankfurt)");
pub static REGISTRY: Sku = sku(ECR, "Repository", "EUC1-TimedStorage-ByteHrs", "GB-Mo", 100_000_000_000, "$0.10 per GB-month of data storage");
pub static ZONE_QUERIES: Sku = sku(DNS, "Hosted Zone", "DNS-Queries", "Queries", 400_000, "$0.40 per 1,000,000 queries for the first 1 Billion queries");
pub static MARKETPLACE: Sku = sku(SAAS, "Contract", "MP:datapier-hosts", "Units", 61_340_000_000_000, "Datapier Observability Cloud - host contract via marketplace");
pub static LABEL_SEATS: Sku = sku(LABELS, "Contract", "MP:parcelglyph-seats", "Units", 3_218_750_000_000, "Parcelglyph Label Studio - seat licence via marketplace");
pub static PLAN_FEE: Sku = sku(PLAN, "Savings Plan", "ComputeSP:1yrNoUpfront", "Hours", ONE, "1 year No Upfront Compute Savings Plan");
pub static RESERVED_DB_FEE: Sku = sku(RDS, "Reserved DB Instance", "EUC1-HeavyUsage:db.r6g.xl", "Hours", ONE, "Sign up charge for subscription: db.r6g.xlarge Multi-AZ, 1 year No Upfront");
pub static RESERVED_CACHE_FEE: Sku = sku(CACHE, "Reserved Cache Node", "EUC1-HeavyUsage:cache.r6g.large", "Hours", ONE, "Sign up charge for subscription: cache.r6g.large, 1 year All Upfront");
pub static SUPPORT_FEE: Sku = sku(SUPPORT, "", "Dollar", "Dollars", ONE, "3% of monthly AWS usage: support fee");
pub static TAX: Sku = sku(OTHER, "", "Tax", "", ONE, "VAT 21% on services of the month");
pub static CREDIT: Sku = sku(OTHER, "", "Credit", "", 38_417_250_000_000, "Migration Acceleration Program credit, \"wave 3\"");
pub static EDGE_SERVER: Sku = sku(EU_BARE, "Dedicated Server", "AX102", "Days", 4_193_548_387_096, "Dedicated server AX102, per day");
pub static EDGE_POWER: Sku = sku(EU_COLO, "Power", "POWER-KWH", "kWh", 338_700_000_000, "Electricity, per kWh metered");
pub static RACK: Sku = sku(EU_COLO, "Rack", "RACK-21U", "Days", 13_870_967_741_935, "Colocation half rack 21U, per day");
pub static ERP_SERVER: Sku = sku(EU_VM, "Virtual Machine", "CCX33", "Hours", 76_923_076_923, "Cloud server CCX33, per hour");
pub static ERP_DISK: Sku = sku(EU_DISK, "Volume", "VOL-GB", "GB-Mo", 52_360_000_000, "Block storage volume, per GB and month");
pub static EU_SUPPORT: Sku = sku(EU_CARE, "", "CARE-GOLD", "Days", 9_677_419_354_838, "Managed operations, gold");
pub static HAVEN_SERVER: Sku = sku(EC2, "Instance", "EUW1-BoxUsage:c6i.xlarge", "Hours", 192_000_000_000, "$0.192 per On Demand Linux c6i.xlarge Instance Hour");
pub static HAVEN_DATABASE: Sku = sku(RDS, "DB Instance", "EUW1-InstanceUsage:db.t4g.large", "Hours", 141_000_000_000, "$0.141 per RDS db.t4g.large Single-AZ instance hour running PostgreSQL");
pub static HAVEN_BUCKET: Sku = sku(S3, "Bucket", "EUW1-TimedStorage-ByteHrs", "GB-Mo", 23_000_000_000, "$0.023 per GB - first 50 TB / month of storage used");
pub static AZURE_SERVER: Sku = sku(AZ_VM, "Microsoft.Compute", "D4s v5", "1 Hour", 212_000_000_000, "D4s v5, per hour");
pub static AZURE_DATABASE: Sku = sku(AZ_DB, "Microsoft.DBforPostgreSQL", "vCore", "1 Hour", 98_000_000_000, "Flexible server, general purpose, per vCore hour");
pub static AZURE_MESSAGES: Sku = sku(AZ_BUS, "Microsoft.ServiceBus", "Standard Messaging Operations", "1", 740_000, "Messaging operations, each");
pub static EU_TAX: Sku = sku(EU_COLO, "", "VAT", "", ONE, "Umsatzsteuer 19 %");
