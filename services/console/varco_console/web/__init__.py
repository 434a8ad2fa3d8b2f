"""What every page stands on: sessions, access, forms, rendering. The pages are in html_pages/."""
