"""Money and tokens in the words of pages."""

from django import template

from portal.money import cost, money, tokens

register = template.Library()
register.filter("money", money)
register.filter("cost", cost)
register.filter("tokens", tokens)
