"""Where a Chinese number is from, in the service's style: city 杭州, province 浙江.

The data is that of ``phonenumbers``, which writes one description such as 浙江省杭州市. Several more forms occur in it,
and all of them are taken apart here:

- 北京市: a municipality is its own province.
- 内蒙古呼和浩特市, 广西壮族自治区南宁市, 四川甘孜: a region's short or full name, a province without 省.
- 云南省大理白族自治州, 新疆和田地区, 内蒙古兴安盟: a prefecture's kind and peoples are not part of its short name.
- 陕西省西安市、咸阳市: cities that share an area code. The first, the largest, stands for all.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from phonenumbers import NumberParseException, geocoder, parse

CHINA = 86
MUNICIPALITIES = ("北京", "上海", "天津", "重庆")
PROVINCES = (
    *("安徽", "福建", "甘肃", "广东", "广西", "贵州", "海南", "河北", "河南", "黑龙江", "湖北", "湖南", "吉林", "江苏"),
    *("江西", "辽宁", "内蒙古", "宁夏", "青海", "山东", "山西", "陕西", "四川", "西藏", "新疆", "云南", "浙江"),
)
_DESCRIPTION = re.compile(rf"(?P<province>{'|'.join(PROVINCES)})(?:省|(?:壮族|回族|维吾尔)?自治区)?(?P<city>[^、]*)")
_PEOPLES = (
    *("蒙古族?", "哈萨克族?", "柯尔克孜族?", "布依族", "朝鲜族", "傣族", "侗族", "哈尼族", "回族", "景颇族", "傈僳族"),
    *("苗族", "羌族", "土家族", "藏族", "彝族", "白族", "壮族"),
)
# Only behind two characters: 芒市 without its 市 would be no name.
_KIND_OF_CITY = re.compile(rf"(?<=..)(?:(?:{'|'.join(_PEOPLES)})*自治州|地区|林区|市|盟)$")


class Region(NamedTuple):
    """A city and its province, in Chinese; both are empty where they are not known."""

    city: str = ""
    province: str = ""


UNKNOWN = Region()


@lru_cache(maxsize=65_536)
def region_of(number: str) -> Region:
    """Look up where a number is from.

    :param number: a number as it is dialled in China, or in the international form with a ``+``. Numbers of no place
        (400, 800, 95xxx), foreign numbers and what is no number at all have no region.
    """
    try:
        parsed = parse(number, "CN")
    except NumberParseException:
        return UNKNOWN
    if parsed.country_code != CHINA:
        return UNKNOWN
    return split(geocoder.description_for_number(parsed, "zh"))


def split(description: str) -> Region:
    """Take a description apart into city and province.

    :param description: as ``phonenumbers`` writes it, such as 浙江省杭州市; 中国 (somewhere in China) has no region.
    """
    for municipality in MUNICIPALITIES:
        if description.startswith(municipality):
            return Region(municipality, municipality)
    match = _DESCRIPTION.match(description)
    if match is None:
        return UNKNOWN
    return Region(_KIND_OF_CITY.sub("", match["city"]), match["province"])
