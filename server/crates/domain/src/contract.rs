//! Contract commitments as the provider confirms them: FOCUS ContractCommitment
//! (1.3, and the columns 1.4 adds). They tell what a bill does not: term, total,
//! scope, and that a commitment exists although nothing used it.

use crate::instant::Day;
use crate::money::{Currency, Money};

/// A contract commitment; `None` and empty = the file does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    /// ContractCommitmentId; that of its rows in the bill where they name it.
    pub id: String,
    /// ContractId.
    pub contract_id: String,
    /// ContractCommitmentType.
    pub kind: String,
    /// ContractCommitmentCategory: `Spend` or `Usage`.
    pub category: String,
    /// ContractCommitmentDescription.
    pub description: String,
    /// ContractCommitmentPeriodStart.
    pub start: Day,
    /// ContractCommitmentPeriodEnd: the first day after it.
    pub end: Day,
    /// ContractCommitmentCost: of the whole commitment.
    pub cost: Option<Money>,
    /// BillingCurrency.
    pub currency: Option<Currency>,
    /// ContractCommitmentQuantity, as written.
    pub quantity: Option<String>,
    /// ContractCommitmentUnit.
    pub unit: String,
    /// ContractCommitmentPaymentModel (1.4).
    pub payment: String,
    /// ContractCommitmentApplicability (1.4): what it may be used for, as JSON.
    pub scope: String,
    /// ContractCommitmentLifecycleStatus (1.4).
    pub status: String,
    /// ServiceProviderName, else InvoiceIssuerName (1.4).
    pub provider: String,
}

impl Contract {
    /// What it may be used for, in words.
    #[must_use]
    pub fn scope_words(&self) -> Option<String> {
        let value: serde_json::Value = serde_json::from_str(&self.scope).ok()?;
        let is = |key: &str| value.get(key).and_then(serde_json::Value::as_bool) == Some(true);
        if is("IsComplexScope") {
            return Some("rules of its own".to_owned());
        }
        let rules = |key: &str| -> Vec<String> {
            let all = value.get(key).and_then(serde_json::Value::as_array);
            all.into_iter().flatten().filter_map(rule_words).collect()
        };
        let joined = |rules: Vec<String>, operator: &str, default: &str| {
            let operator = value
                .get(operator)
                .and_then(serde_json::Value::as_str)
                .unwrap_or(default);
            rules.join(&format!(" {} ", operator.to_lowercase()))
        };
        let (inside, outside) = (rules("Inclusions"), rules("Exclusions"));
        let mut words = if is("IsGlobalScope") || inside.is_empty() {
            "everything".to_owned()
        } else {
            joined(inside, "InclusionOperator", "Or")
        };
        if !outside.is_empty() {
            words.push_str(", except ");
            words.push_str(&joined(outside, "ExclusionOperator", "Or"));
        }
        Some(words)
    }
}

/// `RegionId in a, b`.
fn rule_words(rule: &serde_json::Value) -> Option<String> {
    let text = |key: &str| rule.get(key)?.as_str();
    let values = rule.get("Values").and_then(serde_json::Value::as_array);
    let values: Vec<&str> = values
        .into_iter()
        .flatten()
        .filter_map(|value| value.as_str())
        .collect();
    let operator: String = text("Operator")?
        .chars()
        .enumerate()
        .flat_map(|(at, c)| {
            let space = (at > 0 && c.is_uppercase()).then_some(' ');
            space.into_iter().chain(c.to_lowercase())
        })
        .collect();
    let values = if values == ["*"] {
        String::new()
    } else {
        format!(" {}", values.join(", "))
    };
    Some(format!("{} {operator}{values}", text("Dimension")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_in_words() {
        for (scope, expect) in [
            ("", None),
            ("not json", None),
            (r#"{"IsGlobalScope": true}"#, Some("everything")),
            (r#"{"IsComplexScope": true}"#, Some("rules of its own")),
            (
                r#"{"InclusionOperator":"And","Inclusions":[{"Dimension":"RegionId","Operator":"In","Values":["eu-west-1","eu-central-1"]},{"Dimension":"ServiceName","Operator":"NotStartsWith","Values":["Test"]}]}"#,
                Some("RegionId in eu-west-1, eu-central-1 and ServiceName not starts with Test"),
            ),
            (
                r#"{"IsGlobalScope":true,"Exclusions":[{"Dimension":"SubAccountId","Operator":"Exists","Values":["*"]}]}"#,
                Some("everything, except SubAccountId exists"),
            ),
        ] {
            let contract = Contract {
                id: "c".to_owned(),
                contract_id: String::new(),
                kind: String::new(),
                category: String::new(),
                description: String::new(),
                start: Day(0),
                end: Day(1),
                cost: None,
                currency: None,
                quantity: None,
                unit: String::new(),
                payment: String::new(),
                scope: scope.to_owned(),
                status: String::new(),
                provider: String::new(),
            };
            assert_eq!(contract.scope_words().as_deref(), expect, "{scope}");
        }
    }
}
