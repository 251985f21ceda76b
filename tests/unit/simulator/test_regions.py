from __future__ import annotations

import re

import pytest
from phonenumbers.geodata import GEOCODE_DATA

from airflow_provider_ccc.simulator.regions import MUNICIPALITIES, PROVINCES, Region, region_of, split


@pytest.mark.parametrize(
    ("number", "city", "province"),
    [
        ("01089767654", "北京", "北京"),
        ("02160664656", "上海", "上海"),
        ("02288123456", "天津", "天津"),
        ("02388123456", "重庆", "重庆"),
        ("02083456701", "广州", "广东"),
        ("075586543202", "深圳", "广东"),
        ("057187654303", "杭州", "浙江"),
        ("02987654106", "西安", "陕西"),
        ("02423456709", "沈阳", "辽宁"),
        ("087163456710", "昆明", "云南"),
        ("09918812345", "乌鲁木齐", "新疆"),
        ("07715512345", "南宁", "广西"),
        ("04715512345", "呼和浩特", "内蒙古"),
        ("13800138000", "北京", "北京"),
        ("+8613800138000", "北京", "北京"),
        ("0571 8765-4303", "杭州", "浙江"),
        *((number, "", "") for number in ("4001234567", "8008101234", "95588", "165787876896", "+12125550123")),
        *((number, "", "") for number in ("", "x", "+86 10*~/é中", "110", "9" * 400)),
    ],
)
def test_region_of(number, city, province):
    assert region_of(number) == Region(city, province)


@pytest.mark.parametrize(
    ("description", "city", "province"),
    [
        ("天津", "天津", "天津"),
        ("浙江省", "", "浙江"),
        ("内蒙古自治区", "", "内蒙古"),
        ("广西壮族自治区南宁市、崇左市", "南宁", "广西"),
        ("新疆维吾尔自治区乌鲁木齐市", "乌鲁木齐", "新疆"),
        ("宁夏回族自治区银川市", "银川", "宁夏"),
        ("新疆克孜勒苏柯尔克孜自治州", "克孜勒苏", "新疆"),
        ("新疆博尔塔拉蒙古自治州", "博尔塔拉", "新疆"),
        ("新疆昌吉回族自治州", "昌吉", "新疆"),
        ("青海省海西蒙古族藏族自治州", "海西", "青海"),
        ("云南省德宏傣族景颇族自治州", "德宏", "云南"),
        ("云南省文山壮族苗族自治州", "文山", "云南"),
        ("四川省阿坝藏族羌族自治州", "阿坝", "四川"),
        ("吉林省延边朝鲜族自治州、珲春市、延吉市", "延边", "吉林"),
        ("吉林省吉林市", "吉林", "吉林"),
        ("黑龙江省黑河市", "黑河", "黑龙江"),
        ("湖北省神农架林区", "神农架", "湖北"),
        ("内蒙古兴安盟", "兴安", "内蒙古"),
        ("西藏阿里、普兰、札达", "阿里", "西藏"),
        ("云南省芒市", "芒市", "云南"),
        ("云南怒江", "怒江", "云南"),
        ("中国", "", ""),
        ("美国", "", ""),
        ("", "", ""),
    ],
)
def test_split(description, city, province):
    assert split(description) == Region(city, province)


def test_split_takes_every_description_of_china_apart():
    descriptions = {entry["zh"] for prefix, entry in GEOCODE_DATA.items() if prefix.startswith("86") and "zh" in entry}
    assert len(descriptions) > 300
    for description in descriptions:
        city, province = split(description)
        assert province in PROVINCES + MUNICIPALITIES, description
        assert 2 <= len(city) <= 5, description
        assert city == "芒市" or not re.search(r"省|自治|地区|[市盟族、]", city), description
        assert description.startswith(province), description


def test_the_provinces_are_all_there():
    assert len(set(PROVINCES)) == 27
    assert len(set(MUNICIPALITIES)) == 4
