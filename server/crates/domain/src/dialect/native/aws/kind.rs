//! What a usage type stands for: AWS sells disks, addresses and balancers under
//! the product code of EC2, and only the usage type tells them apart.

/// What was bought or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// FOCUS ServiceCategory; empty when unknown.
    pub category: &'static str,
    /// ResourceType, in words the charge classes know; empty when unknown.
    pub resource_type: &'static str,
    /// Hours of a machine.
    pub is_instance: bool,
}

const fn kind(category: &'static str, resource_type: &'static str) -> Kind {
    Kind {
        category,
        resource_type,
        is_instance: false,
    }
}

/// Parts of usage types behind the region's prefix, first match wins.
const USAGE_TYPES: &[(&str, Kind)] = &[
    ("EBS:Snapshot", kind("Storage", "Snapshot")),
    ("EBS:Volume", kind("Storage", "Volume")),
    ("EBSOptimized", kind("Compute", "Instance")),
    ("NatGateway", kind("Networking", "NAT Gateway")),
    ("LoadBalancerUsage", kind("Networking", "Load Balancer")),
    ("LCUUsage", kind("Networking", "Load Balancer")),
    ("PublicIPv4", kind("Networking", "Public IPv4")),
    ("ElasticIP", kind("Networking", "Elastic IP")),
    ("VpcEndpoint", kind("Networking", "VPC Endpoint")),
    ("DataTransfer", kind("Networking", "Data Transfer")),
    ("AWS-In-Bytes", kind("Networking", "Data Transfer")),
    ("AWS-Out-Bytes", kind("Networking", "Data Transfer")),
    ("CPUCredits", kind("Compute", "Instance")),
];

/// Usage types that are hours of a machine.
const INSTANCES: [&str; 5] = ["BoxUsage", "SpotUsage", "HeavyUsage", "DedicatedUsage", "HostBoxUsage"];

/// Categories of product codes.
const PRODUCTS: &[(&str, &str)] = &[
    ("AmazonEC2", "Compute"),
    ("AWSLambda", "Compute"),
    ("AmazonEKS", "Compute"),
    ("AmazonECS", "Compute"),
    ("AmazonECR", "Developer Tools"),
    ("AmazonS3", "Storage"),
    ("AmazonEFS", "Storage"),
    ("AWSBackup", "Storage"),
    ("AmazonGlacier", "Storage"),
    ("AmazonRDS", "Databases"),
    ("AmazonDynamoDB", "Databases"),
    ("AmazonElastiCache", "Databases"),
    ("AmazonRedshift", "Databases"),
    ("AmazonDocDB", "Databases"),
    ("AmazonVPC", "Networking"),
    ("AmazonRoute53", "Networking"),
    ("AmazonCloudFront", "Networking"),
    ("AWSELB", "Networking"),
    ("AWSDataTransfer", "Networking"),
    ("AmazonCloudWatch", "Management and Governance"),
    ("AWSCloudTrail", "Management and Governance"),
    ("AWSConfig", "Management and Governance"),
    ("awskms", "Security"),
    ("AWSSecretsManager", "Security"),
    ("awswaf", "Security"),
    ("AmazonGuardDuty", "Security"),
    ("AmazonMQ", "Integration"),
    ("AWSQueueService", "Integration"),
    ("AmazonSNS", "Integration"),
    ("AWSEvents", "Integration"),
    ("AmazonMSK", "Analytics"),
    ("AmazonKinesis", "Analytics"),
    ("AmazonAthena", "Analytics"),
    ("AWSGlue", "Analytics"),
    ("ComputeSavingsPlans", "Compute"),
];

/// The kind of a row by its product code and usage type.
pub(super) fn of(product_code: &[u8], usage_type: &[u8]) -> Kind {
    let product = std::str::from_utf8(product_code).unwrap_or("");
    let usage = std::str::from_utf8(usage_type).unwrap_or("");
    let category = PRODUCTS
        .iter()
        .find(|(code, _)| code.eq_ignore_ascii_case(product))
        .map_or("", |(_, category)| *category);
    if product.eq_ignore_ascii_case("AmazonEC2") && INSTANCES.iter().any(|name| usage.contains(name)) {
        return Kind {
            category: "Compute",
            resource_type: "Instance",
            is_instance: true,
        };
    }
    // usage types mean this only where EC2's family sells them
    let family = ["AmazonEC2", "AmazonVPC", "AWSELB", "AWSDataTransfer"];
    if family.iter().any(|code| code.eq_ignore_ascii_case(product))
        && let Some((_, kind)) = USAGE_TYPES.iter().find(|(part, _)| usage.contains(part))
    {
        return *kind;
    }
    kind(category, "")
}
