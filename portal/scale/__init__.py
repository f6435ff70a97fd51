"""A portal as it is after a year of use by ten thousand tenants, for `manage.py seed_scale`.

`sizes` says how much of everything each tenant has, `stories` and `members` what happened there, `telling` and `writing` put it into
tables, `run` goes from tenant to tenant.
"""
