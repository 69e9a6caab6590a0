//! Filters that choose workloads by path.

/// Whether a filter chooses a path. `*` stands for any characters and `?` for one; without either, the filter
/// may match any part of the path. Of several filters, separated by commas, at least one must match.
pub fn chooses(filters: &str, path: &str) -> bool {
    filters.split(',').any(|filter| one_chooses(filter, path))
}

fn one_chooses(filter: &str, path: &str) -> bool {
    if !filter.contains(['*', '?']) {
        return path.contains(filter);
    }
    let (filter, path): (Vec<char>, Vec<char>) = (filter.chars().collect(), path.chars().collect());
    let (mut f, mut p) = (0, 0);
    // The place after the last `*`, and the next character of the path that this `*` may absorb.
    let mut star = None;
    while p < path.len() {
        match filter.get(f) {
            Some('*') => {
                f += 1;
                star = Some((f, p));
            }
            Some(&c) if c == '?' || c == path[p] => (f, p) = (f + 1, p + 1),
            _ => {
                let Some((behind, from)) = star else { return false };
                star = Some((behind, from + 1));
                (f, p) = (behind, from + 1);
            }
        }
    }
    filter[f..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_part_of_the_path_or_a_pattern() {
        for (filter, path, chosen) in [
            ("seal/", "seal/aes-256-gcm/16", true),
            ("256", "seal/aes-256-gcm/16", true),
            ("", "nonce", true),
            ("open", "seal/aes-256-gcm/16", false),
            ("seal/*/16", "seal/aes-256-gcm/16", true),
            ("seal/*/16", "seal/aes-256-gcm/16384", false),
            ("*/16", "open/aes-128-gcm/16", true),
            ("*256*", "seal/aes-256-gcm/16", true),
            ("eal/*", "seal/aes-256-gcm/16", false),
            ("*", "nonce", true),
            ("n*ce*nonce", "nonce", false),
            ("nonce?", "nonce", false),
            ("no?ce", "nonce", true),
            ("?nce", "nonce", false),
            ("seal/*/1?", "seal/aes-256-gcm/16", true),
            ("seal/*/1?", "seal/aes-256-gcm/16384", false),
            ("*/aes-???-gcm/*", "open/aes-128-gcm/16", true),
            ("?*/?*/?*/?*", "open/aes-128-gcm/16", false),
            ("*1*6", "seal/aes-128-gcm/1616", true),
            ("nonce,seal/*/16", "seal/aes-256-gcm/16", true),
            ("nonce,seal/*/16", "nonce", true),
            ("nonce,seal/*/16", "seal/aes-256-gcm/64", false),
        ] {
            assert_eq!(chooses(filter, path), chosen, "{filter} {path}");
        }
    }
}
