"""OAuth 2.0 for next hops: tokens are asked for, kept, and asked for anew."""
