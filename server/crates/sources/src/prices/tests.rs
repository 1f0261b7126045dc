use super::*;
use std::io::Write;

fn read_text(text: &str) -> Result<PriceList, String> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("to write");
    read(file.path(), "prices").map_err(|error| match error {
        SourceError::Refused { findings } => {
            let of = |finding: &Finding| format!("{} {:?}: {}", finding.code, finding.line, finding.message);
            findings.iter().map(of).collect::<Vec<_>>().join("; ")
        }
        error @ SourceError::Io { .. } => error.to_string(),
    })
}

/// provider region type purchase term payment unit price currency from
fn shown(list: &PriceList) -> Vec<String> {
    let of = |price: &Price| {
        let offer = &price.offer;
        format!(
            "{} {} {} {} {} {} {} {} {} {}",
            offer.provider,
            offer.region,
            offer.resource_type,
            offer.purchase,
            offer.term_months,
            if offer.payment.is_empty() { "-" } else { &offer.payment },
            offer.per.as_str(),
            price.price,
            offer.currency,
            offer.from,
        )
    };
    let mut lines: Vec<String> = list.prices.iter().map(of).collect();
    lines.sort();
    lines
}

const AWS_HEADER: &str = r#""FormatVersion","v1.0"
"Disclaimer","This pricing list is for informational purposes only."
"Publication Date","2026-10-01T00:00:00Z"
"Version","20261001000000"
"OfferCode","AmazonEC2"
"SKU","OfferTermCode","RateCode","TermType","PriceDescription","EffectiveDate","StartingRange","EndingRange","Unit","PricePerUnit","Currency","LeaseContractLength","PurchaseOption","OfferingClass","Product Family","Instance Type","Tenancy","Operating System","License Model","CapacityStatus","Pre Installed S/W","Region Code"
"#;

fn aws_line(term: &str, unit: &str, price: &str, lease: &str, option: &str, os: &str) -> String {
    let class = if lease.is_empty() { "" } else { "standard" };
    format!(
        "\"S\",\"T\",\"S.T\",\"{term}\",\"a, b\",\"2026-10-01\",\"0\",\"Inf\",\"{unit}\",\"{price}\",\"USD\",\"{lease}\",\"{option}\",\"{class}\",\"Compute Instance\",\"m6i.2xlarge\",\"Shared\",\"{os}\",\"No License required\",\"Used\",\"NA\",\"eu-central-1\"\n"
    )
}

#[test]
fn aws_upfront_and_hourly_lines_are_one_price() {
    let text = [
        AWS_HEADER.to_owned(),
        aws_line("OnDemand", "Hrs", "0.4600000000", "", "", "Linux"),
        aws_line("OnDemand", "Hrs", "0.8280000000", "", "", "Windows"),
        aws_line("Reserved", "Hrs", "0.1380000000", "1yr", "Partial Upfront", "Linux"),
        aws_line("Reserved", "Quantity", "876", "1yr", "Partial Upfront", "Linux"),
        aws_line("Reserved", "Quantity", "5256", "3yr", "All Upfront", "Linux"),
        aws_line("Reserved", "Hrs", "0.0000000000", "3yr", "All Upfront", "Linux"),
    ]
    .concat();
    let list = read_text(&text).expect("a price list");
    assert_eq!(list.passed_over, 1);
    assert_eq!(
        shown(&list),
        [
            "aws eu-central-1 m6i.2xlarge on-demand 0 - hour 0.46 USD 2026-10-01",
            "aws eu-central-1 m6i.2xlarge reserved 12 partial-upfront hour 0.238 USD 2026-10-01",
            "aws eu-central-1 m6i.2xlarge reserved 36 all-upfront hour 0.2 USD 2026-10-01",
        ]
    );
    assert_eq!(list.prices[0].source, "AWS Price List, 2026-10-01");
}

#[test]
fn azure_terms_are_by_the_hour() {
    let item = |rest: &str| {
        format!(
            r#"{{"currencyCode":"EUR","armRegionName":"westeurope","armSkuName":"Standard_D4s_v5","effectiveStartDate":"2026-05-01T00:00:00Z","serviceName":"Virtual Machines","unitOfMeasure":"1 Hour",{rest}}}"#
        )
    };
    let page = |items: &[String]| format!(r#"{{"BillingCurrency":"EUR","Items":[{}],"Count":1}}"#, items.join(","));
    let first = page(&[
        item(
            r#""type":"Consumption","productName":"Dsv5","skuName":"D4s v5","retailPrice":0.23,"savingsPlan":[{"unitPrice":0.1,"retailPrice":0.15,"term":"3 Years"}]"#,
        ),
        item(r#""type":"Consumption","productName":"Dsv5","skuName":"D4s v5 Spot","retailPrice":5.5e-02"#),
        item(r#""type":"Consumption","productName":"Dsv5 Windows","skuName":"D4s v5","retailPrice":0.4"#),
        item(r#""type":"Consumption","productName":"Dsv5","skuName":"D4s v5 Low Priority","retailPrice":0.1"#),
        item(
            r#""type":"Consumption","productName":"Dsv5","skuName":"D4s v5","retailPrice":9,"isPrimaryMeterRegion":false"#,
        ),
    ]);
    let second = page(&[item(
        r#""type":"Reservation","productName":"Dsv5","skuName":"D4s v5","retailPrice":876.0,"reservationTerm":"1 Year""#,
    )]);
    let list = read_text(&format!("[{first},{second}]")).expect("a price list");
    assert_eq!(list.passed_over, 3);
    assert_eq!(
        shown(&list),
        [
            "azure westeurope Standard_D4s_v5 on-demand 0 - hour 0.23 EUR 2026-05-01",
            "azure westeurope Standard_D4s_v5 reserved 12 all-upfront hour 0.1 EUR 2026-05-01",
            "azure westeurope Standard_D4s_v5 reserved 36 savings-plan hour 0.15 EUR 2026-05-01",
            "azure westeurope Standard_D4s_v5 spot 0 - hour 0.055 EUR 2026-05-01",
        ]
    );
}

#[test]
fn google_prices_cores_and_memory_apart() {
    let sku = |description: &str, usage: &str, unit: &str, units: &str, nanos: u64| {
        format!(
            r#"{{"skuId":"0","description":"{description}","category":{{"resourceFamily":"Compute","usageType":"{usage}"}},"serviceRegions":["europe-west3"],"pricingInfo":[{{"effectiveTime":"2026-11-01T10:00:00Z","pricingExpression":{{"usageUnit":"{unit}","tieredRates":[{{"startUsageAmount":0,"unitPrice":{{"currencyCode":"USD","units":"{units}","nanos":{nanos}}}}}]}}}}]}}"#
        )
    };
    let skus = [
        sku(
            "N2 Instance Core running in Frankfurt",
            "OnDemand",
            "h",
            "0",
            40_721_000,
        ),
        sku(
            "N2 Instance Ram running in Frankfurt",
            "OnDemand",
            "GiBy.h",
            "0",
            5_458_000,
        ),
        sku(
            "Spot Preemptible N2D AMD Instance Core running in Frankfurt",
            "Preemptible",
            "h",
            "1",
            5,
        ),
        sku(
            "Commitment v1: N2 Cpu in Frankfurt for 1 Year",
            "Commit1Yr",
            "h",
            "0",
            25_000_000,
        ),
        sku("N2 Custom Instance Core running in Frankfurt", "OnDemand", "h", "0", 1),
        sku("Nvidia Tesla T4 GPU running in Frankfurt", "OnDemand", "h", "0", 1),
    ];
    let list = read_text(&format!(r#"{{"skus":[{}]}}"#, skus.join(","))).expect("a price list");
    assert_eq!(list.passed_over, 2);
    assert_eq!(
        shown(&list),
        [
            "gcp europe-west3 n2 on-demand 0 - core-hour 0.040721 USD 2026-11-01",
            "gcp europe-west3 n2 on-demand 0 - gib-hour 0.005458 USD 2026-11-01",
            "gcp europe-west3 n2 reserved 12 - core-hour 0.025 USD 2026-11-01",
            "gcp europe-west3 n2d spot 0 - core-hour 1.000000005 USD 2026-11-01",
        ]
    );
}

#[test]
fn spot_prices_and_bands() {
    let entry = |zone: &str, price: &str, time: &str| {
        format!(
            r#"{{"AvailabilityZone":"{zone}","InstanceType":"m6a.2xlarge","ProductDescription":"Linux/UNIX","SpotPrice":"{price}","Timestamp":"{time}"}}"#
        )
    };
    let history = [
        entry("eu-central-1a", "0.20", "2026-10-01T22:00:00Z"),
        entry("eu-central-1a", "0.30", "2026-10-01T02:00:00Z"),
        entry("eu-central-1b", "0.21", "2026-10-01T03:00:00Z"),
        entry("eu-central-1b", "0.19", "2026-10-02T03:00:00Z"),
    ];
    let list = read_text(&format!(r#"{{"SpotPriceHistory":[{}]}}"#, history.join(","))).expect("a history");
    assert_eq!(
        shown(&list),
        [
            "aws eu-central-1 m6a.2xlarge spot 0 - hour 0.19 USD 2026-10-02",
            "aws eu-central-1 m6a.2xlarge spot 0 - hour 0.21 USD 2026-10-01",
        ]
    );
    let advisor = r#"{"ranges":[{"index":0,"label":"<5%","max":5},{"index":1,"label":"5-10%","max":11},{"index":2,"label":">20%","max":100}],
        "spot_advisor":{"eu-central-1":{"Linux":{"m6a.2xlarge":{"s":57,"r":1},"m6i.2xlarge":{"s":60,"r":2},"t3.large":{"s":-62,"r":0}}}}}"#;
    let list = read_text(advisor).expect("an advisor");
    let bands = list.advice.iter().map(|of| {
        let bounds = (of.interrupted_from_percent, of.interrupted_below_percent);
        (of.resource_type.as_str(), of.saving_percent, bounds)
    });
    assert_eq!(
        bands.collect::<Vec<_>>(),
        [
            ("m6a.2xlarge", 57, (5, Some(10))),
            ("m6i.2xlarge", 60, (20, None)),
            ("t3.large", -62, (0, Some(5))),
        ]
    );
}

#[test]
fn our_own_table_and_the_built_in_prices() {
    let table = "Provider, Region,resource_type,purchase_option,term_months,payment_option,unit,currency,price,valid_from,source\n\
                 own,rack-1,AX102,on-demand,,,hour,EUR,0.17,2025-01-01,\"contract 12, annex\"\n\
                 own,,,on-demand,,,core-hour,EUR,0.01,,\n\
                 aws,eu-central-1,m6i.large,reserved,12,no-upfront,hour,USD,0.07,2025-01-01,\n";
    let list = read_text(table).expect("a table");
    assert_eq!(
        shown(&list),
        [
            "aws eu-central-1 m6i.large reserved 12 no-upfront hour 0.07 USD 2025-01-01",
            "own  * on-demand 0 - core-hour 0.01 EUR 1970-01-01",
            "own rack-1 AX102 on-demand 0 - hour 0.17 EUR 2025-01-01",
        ]
    );
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assets/catalogue/prices.csv");
    let list = read(&built_in, "prices.csv").expect("the built-in prices");
    for provider in ["aws", "azure", "gcp"] {
        assert!(
            list.prices.iter().any(|price| price.offer.provider == provider),
            "{provider}"
        );
    }
    assert!(
        list.prices
            .iter()
            .all(|price| !price.source.is_empty() && price.offer.from.0 > 0)
    );
}

#[test]
fn bad_files_are_refused_with_their_place() {
    let head = "provider,region,resource_type,purchase_option,term_months,unit,currency,price\n";
    let json = r#"{"skus":[{"skuId":"A-1","description":"N2 Instance Core running in x","category":{"resourceFamily":"Compute","usageType":"OnDemand"},"serviceRegions":["x"],"pricingInfo":[{"effectiveTime":"2026-01-01","pricingExpression":{"usageUnit":"mo","tieredRates":[]}}]}]}"#;
    for (text, expect) in [
        ("", "empty_price_list None"),
        ("{", "broken_price_list None"),
        ("{\"a\": 1}", "unread_price_list None"),
        (
            r#"{"offerCode":"AmazonEC2","products":{}}"#,
            "is the JSON form of an AWS price list",
        ),
        (r#"{"Items":[]}"#, "no_prices None"),
        (json, "A-1 (N2 Instance Core running in x): has a usageUnit other than"),
        ("a,b\n1,2\n", "it has no column provider"),
        (&format!("{head}aws,x,y,on-demand,,hour,USD,-1\n"), "bad_price Some(2)"),
        (
            &format!("{head}aws,x,y,on-demand,,hour,USD,\"1,5\"\n"),
            "bad_price Some(2)",
        ),
        (
            &format!("{head}aws,x,y,weekly,,hour,USD,1\n"),
            "\"weekly\" is no on-demand, spot or reserved",
        ),
        (
            &format!("{head}aws,x,y,reserved,,hour,USD,1\n"),
            "reserved prices have a term",
        ),
        (
            &format!("{head}aws,x,y,spot,,day,USD,1\n"),
            "\"day\" is no hour, core-hour or gib-hour",
        ),
        ("\"FormatVersion\",\"v1.0\"\n", "ends before its header"),
        (
            &format!("{AWS_HEADER}{}", aws_line("OnDemand", "Hrs", "free", "", "", "Linux")),
            "bad_price Some(7): \"free\" is no price",
        ),
    ] {
        let error = read_text(text).expect_err(text);
        assert!(error.contains(expect), "{text}: {error}");
    }
}
