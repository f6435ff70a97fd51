"""What people, tenants and things are called."""

FIRST = (
    "Amara", "Anton", "Aylin", "Bruno", "Chiara", "Dilan", "Emil", "Fatima", "Greta", "Hana", "Ivo", "Jonas", "Kaya", "Leila", "Mats",
    "Nora", "Oskar", "Petra", "Quinn", "Rosa", "Samir", "Tilda", "Uma", "Viktor", "Wanda", "Ximena", "Yusuf", "Zoe",
)  # fmt: skip
LAST = (
    "Abel", "Berg", "Castro", "Diaz", "Engel", "Farah", "Grau", "Holm", "Ito", "Jung", "Kaya", "Lang", "Moreau", "Novak", "Okafor",
    "Patel", "Quist", "Rossi", "Sato", "Tran", "Ueda", "Vogel", "Wolf", "Yilmaz", "Zeman",
)  # fmt: skip
PLACES = (
    "Alder", "Birch", "Cedar", "Dune", "Elm", "Fjord", "Glade", "Harbour", "Island", "Juniper", "Kiln", "Lagoon", "Meadow", "North",
    "Orchard", "Pine", "Quarry", "River", "Summit", "Tide", "Upland", "Valley", "Willow",
)  # fmt: skip
TRADES = (
    "Bank", "Bikes", "Books", "Care", "Energy", "Foods", "Freight", "Gardens", "Insurance", "Labs", "Media", "Mobility", "Motors",
    "Pharma", "Rail", "Records", "Retail", "Steel", "Textiles", "Travel", "Water",
)  # fmt: skip
# Not as the demo's APIs are called, which stand beside these in the biggest tenant.
THINGS = (
    "Accounts", "Addresses", "Bookings", "Carriers", "Catalogue", "Claims", "Contracts", "Clients", "Deliveries", "Documents", "Fares",
    "Invoices", "Locations", "Meters", "Offers", "Purchases", "Parcels", "Payouts", "Prices", "Products", "Quotes", "Refunds", "Returns",
    "Stores", "Tickets", "Vehicles", "Weather",
)  # fmt: skip
PROGRAMS = (
    "App", "Board", "Checkout", "Dashboard", "Desk", "Export", "Gate", "Import", "Kiosk", "Monitor", "Planner", "Report", "Scanner",
    "Shop", "Sync", "Terminal", "Tracker", "Watch",
)  # fmt: skip
BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
)
