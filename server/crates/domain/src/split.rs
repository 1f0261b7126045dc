//! The split of a node's cost: reference form (rules A1-A6, A26-A30).
