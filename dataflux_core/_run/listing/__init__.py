"""List a scope: who fetches which page, who looks on."""
