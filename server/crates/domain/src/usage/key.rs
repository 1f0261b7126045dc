//! One name for a machine, disk or load balancer on both sides of the join
//! between cluster and bill (A37).

/// The name that a Kubernetes `providerID`, volume handle or load balancer
/// host name shares with the bill's ResourceId:
///
/// | thing | name |
/// |---|---|
/// | AWS, `aws:///zone/i-...` or an ARN | the last segment, `i-...`, `vol-...` |
/// | AWS load balancer, ARN or host name | its name |
/// | Google, `gce://p/z/n` or `//compute.googleapis.com/projects/p/zones/z/instances/n` | `p/z/n`; disks `p/z/disks/n`, as they are often called like their machine |
/// | Azure, with or without `azure://` | the full id in lower case |
///
/// Anything else is its own name. Names are reused: join by name and time.
#[must_use]
pub fn resource_key(id: &str) -> String {
    let id = id.trim();
    if let Some(path) = id.strip_prefix("aws://") {
        return aws_provider_id(path).to_owned();
    }
    if id.starts_with("arn:") {
        return aws_arn(id).to_owned();
    }
    if let Some(name) = aws_balancer_host(id) {
        return name.to_owned();
    }
    if let Some(path) = id.strip_prefix("gce://") {
        return path.trim_start_matches('/').to_owned();
    }
    if let Some(key) = google(id) {
        return key;
    }
    let azure = id.strip_prefix("azure://").unwrap_or(id);
    if starts_with_fold(azure, "/subscriptions/") {
        return azure.to_lowercase();
    }
    id.to_owned()
}

/// `/zone/i-0abc`; of a Fargate node, `/zone/uuid/fargate-ip-...`, the uuid.
fn aws_provider_id(path: &str) -> &str {
    let mut segments = path.trim_start_matches('/').split('/');
    let first = segments.next().unwrap_or("");
    segments.next().unwrap_or(first)
}

fn aws_arn(arn: &str) -> &str {
    if let Some((_, balancer)) = arn.split_once(":loadbalancer/") {
        let name = balancer
            .strip_prefix("app/")
            .or_else(|| balancer.strip_prefix("net/"))
            .or_else(|| balancer.strip_prefix("gwy/"));
        return name.and_then(|name| name.split('/').next()).unwrap_or(balancer);
    }
    arn.rsplit('/').next().unwrap_or(arn)
}

/// `[internal-]<name>-<n>.<region>.elb.amazonaws.com` or, of a network load
/// balancer, `<name>-<hash>.elb.<region>.amazonaws.com`. Names have dashes too.
fn aws_balancer_host(host: &str) -> Option<&str> {
    let domain = host
        .strip_suffix(".amazonaws.com")
        .or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let (label, rest) = domain.split_once('.')?;
    if !rest.split('.').any(|part| part == "elb") {
        return None;
    }
    let (name, _) = label.rsplit_once('-')?;
    Some(name.strip_prefix("internal-").unwrap_or(name))
}

/// Any path with `projects/<p>/(zones|regions)/<z>/<kind>/<n>` in it.
fn google(id: &str) -> Option<String> {
    let path = if id.starts_with("projects/") {
        id
    } else if id.starts_with("//compute.googleapis.com/") || id.starts_with("https://") {
        &id[id.find("/projects/")? + 1..]
    } else {
        return None;
    };
    let segments: Vec<&str> = path.split('/').collect();
    match segments.as_slice() {
        ["projects", project, "zones" | "regions", zone, "instances", name] => Some(format!("{project}/{zone}/{name}")),
        ["projects", project, "zones" | "regions", zone, kind, name] => Some(format!("{project}/{zone}/{kind}/{name}")),
        _ => None,
    }
}

fn starts_with_fold(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_one_name() {
        for (cluster, bill, expect) in [
            (
                "aws:///us-east-1a/i-0abc123",
                "arn:aws:ec2:us-east-1:111122223333:instance/i-0abc123",
                "i-0abc123",
            ),
            ("aws:///us-east-1a/i-0abc123", "i-0abc123", "i-0abc123"),
            (
                "aws:///us-west-2a/0a1b2c3d-4e5f/fargate-ip-10-0-1-2.us-west-2.compute.internal",
                "arn:aws:eks:us-west-2:111122223333:pod/shop/default/web-1/0a1b2c3d-4e5f",
                "0a1b2c3d-4e5f",
            ),
            (
                "aws://us-east-1a/vol-0abc",
                "arn:aws:ec2:us-east-1:111122223333:volume/vol-0abc",
                "vol-0abc",
            ),
            ("vol-0abc", "vol-0abc", "vol-0abc"),
            (
                "my-shop-0123456789abcdef.elb.eu-central-1.amazonaws.com",
                "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/net/my-shop/0123456789abcdef",
                "my-shop",
            ),
            (
                "internal-my-shop-123456.eu-central-1.elb.amazonaws.com",
                "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/my-shop",
                "my-shop",
            ),
            (
                "my-shop-123456.eu-central-1.elb.amazonaws.com",
                "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/my-shop/50dc6c495c0c9188",
                "my-shop",
            ),
            (
                "gce://acme-prod/europe-west1-b/gke-main-1",
                "//compute.googleapis.com/projects/acme-prod/zones/europe-west1-b/instances/gke-main-1",
                "acme-prod/europe-west1-b/gke-main-1",
            ),
            (
                "gce://acme-prod/europe-west1-b/gke-main-1",
                "https://www.googleapis.com/compute/v1/projects/acme-prod/zones/europe-west1-b/instances/gke-main-1",
                "acme-prod/europe-west1-b/gke-main-1",
            ),
            (
                "projects/acme-prod/zones/europe-west1-b/disks/gke-main-1",
                "//compute.googleapis.com/projects/acme-prod/zones/europe-west1-b/disks/gke-main-1",
                "acme-prod/europe-west1-b/disks/gke-main-1",
            ),
            (
                "projects/acme-prod/regions/europe-west1/disks/pvc-1",
                "//compute.googleapis.com/projects/acme-prod/regions/europe-west1/disks/pvc-1",
                "acme-prod/europe-west1/disks/pvc-1",
            ),
            (
                "azure:///subscriptions/S1/resourceGroups/MC_Shop/providers/Microsoft.Compute/virtualMachineScaleSets/X/virtualMachines/3",
                "/Subscriptions/s1/resourcegroups/mc_shop/providers/microsoft.compute/virtualMachineScaleSets/x/virtualMachines/3",
                "/subscriptions/s1/resourcegroups/mc_shop/providers/microsoft.compute/virtualmachinescalesets/x/virtualmachines/3",
            ),
            (
                "/subscriptions/S1/resourceGroups/RG/providers/Microsoft.Compute/disks/PVC-1",
                "/subscriptions/s1/resourcegroups/rg/providers/microsoft.compute/disks/pvc-1",
                "/subscriptions/s1/resourcegroups/rg/providers/microsoft.compute/disks/pvc-1",
            ),
            ("rack-7/host-12", " rack-7/host-12 ", "rack-7/host-12"),
            ("", "  ", ""),
        ] {
            assert_eq!(
                (resource_key(cluster).as_str(), resource_key(bill).as_str()),
                (expect, expect),
                "{cluster}"
            );
        }
    }

    #[test]
    fn odd_ids_are_their_own_names() {
        for id in [
            "db-1.rds.amazonaws.com",
            "projects/p",
            "https://example.com/projects",
            "//compute.googleapis.com/projects/p/global/images/x",
            "kind://docker/kind/kind-worker",
            "/subscription",
        ] {
            assert_eq!(resource_key(id), id);
        }
        for (id, expect) in [
            ("aws://", ""),
            ("arn:aws:s3:::bucket", "arn:aws:s3:::bucket"),
            ("aws:///i-1", "i-1"),
        ] {
            assert_eq!(resource_key(id), expect, "{id}");
        }
    }
}
